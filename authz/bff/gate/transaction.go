package gate

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crypto/rand"

	"github.com/authzd/authzd/authz/bff/websession"
)

const (
	transactionLife  = 10 * time.Minute
	maxTransactions  = 16      // of one browser and host
	maxTransaction   = 2 << 10 // bytes of one cookie
	roomTransactions = 4 << 10 // bytes of all: proxies refuse cookies of 8 KiB
	lookTransactions = 2 * maxTransactions
)

// transaction is a sign-in under way, sealed in a cookie of the host that a person wants to see. So nothing is stored for
// people who are not signed in, and nobody can be sent elsewhere by a URL: where to return stands here only.
type transaction struct {
	Host   string `json:"h"`
	Target string `json:"t"` // path and query
	Began  int64  `json:"b"` // Unix time

	name, value string // of the cookie
}

// id is what the hand-over is bound to. It reveals nothing of the cookie.
func (t *transaction) id() string { return websession.Hash(t.value) }

// live reports whether the transaction is one of a host, and young enough.
func (t *transaction) live(s *site) bool {
	age := time.Since(time.Unix(t.Began, 0))
	return t.Host == s.host && age < transactionLife && age > -time.Minute
}

// transactionPrefix begins the names of the cookies, one for each sign-in under way. It is also what they are sealed for.
func (g *Gate) transactionPrefix() string { return g.Sessions.CookieName() + "-tx-" }

// transactions returns those of a request, expired ones too. It leaves out cookies that the gate has not sealed.
func (g *Gate) transactions(r *http.Request) (all []*transaction, size int) {
	looked := 0
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, g.transactionPrefix()) {
			continue
		}
		size += len(c.Name) + len(c.Value)
		if looked++; looked > lookTransactions {
			break
		}
		sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil {
			continue
		}
		plain, err := g.sealer.Open(sealed, []byte(g.transactionPrefix()))
		if err != nil {
			continue
		}
		t := &transaction{name: c.Name, value: c.Value}
		if json.Unmarshal(plain, t) == nil {
			all = append(all, t)
		}
	}
	return all, size
}

// depart begins a transaction, and returns where the browser goes next. It sets one cookie, because nginx passes on no
// more: if there are too many, the new one takes the place of the oldest.
func (g *Gate) depart(w http.ResponseWriter, r *http.Request, d decision) string {
	t := g.newTransaction(d.site, d.request.Target)
	others, size := g.transactions(r)
	if len(others) >= maxTransactions || size+len(t.value) > roomTransactions {
		if size > roomTransactions { // so much cannot be ours alone
			t = g.newTransaction(d.site, "/")
		}
		for i, other := range others {
			if i == 0 || other.Began < others[0].Began {
				others[0], t.name = other, other.name
			}
		}
	}
	g.setCookie(w, t.name, t.value, int(transactionLife.Seconds()))
	return g.URL + "/gate/start?" + url.Values{"host": {d.site.host}, "tx": {t.id()}}.Encode()
}

// newTransaction seals a transaction. A target that is too long loses its query, or all of it.
func (g *Gate) newTransaction(s *site, target string) *transaction {
	path, _, _ := strings.Cut(target, "?")
	var t *transaction
	for _, target := range []string{target, path, "/"} {
		t = &transaction{Host: s.host, Target: asciiOnly(target), Began: time.Now().Unix()}
		plain, err := json.Marshal(t)
		if err != nil { // it is plain data
			panic(err)
		}
		t.name = g.transactionPrefix() + rand.Text()[:10]
		t.value = base64.RawURLEncoding.EncodeToString(g.sealer.Seal(plain, []byte(g.transactionPrefix())))
		if len(t.value) <= maxTransaction {
			break
		}
	}
	return t
}

// asciiOnly escapes what browsers would escape in a URL.
func asciiOnly(target string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(target) {
		if c >= 0x80 {
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// setCookie sets a cookie of one host for scripts to never see. Lax: it must come with the first request after a sign-in,
// which another site has caused. A negative age removes it.
func (g *Gate) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: !g.insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
