package playground

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/bearer"
)

// maxOrders is how many of the newest orders of one subject are kept.
const maxOrders = 20

// shelf is what can be ordered, one after the other.
var shelf = []string{"Treacle", "Looking-glass", "Pocket watch", "Croquet set", "Teacup"}

// orders is the API that the app calls. Everybody sees only their own orders. It knows no more of the
// authorization server than any other backend.
type orders struct {
	mu        sync.Mutex
	placed    int                            // by all subjects together
	bySub     map[string][]order             // newest last
	followers map[string]map[chan order]bool // of the sockets, by subject
}

type order struct {
	ID   string `json:"id"`
	Item string `json:"item"`
}

// recent is how fresh a sign-in has to be for what cannot be undone.
const recent = time.Minute

// handler returns GET, POST and DELETE of base/orders. Reading and writing need one scope each, deleting a recent
// sign-in too.
func (o *orders) handler(base string, v *bearer.Verifier) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+base+"/orders", v.Protect(bearer.RequireScope("orders.read")(http.HandlerFunc(o.list))))
	mux.Handle("POST "+base+"/orders", v.Protect(bearer.RequireScope("orders.write")(http.HandlerFunc(o.place))))
	mux.Handle("DELETE "+base+"/orders", v.Protect(bearer.RequireScope("orders.write")(bearer.RequireAuthAge(recent)(http.HandlerFunc(o.clear)))))
	mux.Handle("GET "+base+"/events", v.Protect(bearer.RequireScope("orders.read")(http.HandlerFunc(o.follow))))
	return mux
}

func (o *orders) list(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context()) // Protect has set it
	o.mu.Lock()
	own := append([]order{}, o.bySub[p.Subject]...)
	o.mu.Unlock()
	answer(w, http.StatusOK, own)
}

func (o *orders) place(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context())
	o.mu.Lock()
	placed := order{ID: strconv.Itoa(1001 + o.placed), Item: shelf[o.placed%len(shelf)]}
	o.placed++
	own := append(o.bySub[p.Subject], placed)
	o.bySub[p.Subject] = own[max(0, len(own)-maxOrders):]
	o.tell(p.Subject, placed)
	o.mu.Unlock()
	answer(w, http.StatusCreated, placed)
}

func (o *orders) clear(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context())
	o.mu.Lock()
	delete(o.bySub, p.Subject)
	o.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
