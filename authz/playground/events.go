package playground

import (
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz/bearer"
)

// follow is a WebSocket that says which orders its user places, in any tab.
func (o *orders) follow(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context())
	placed := o.join(p.Subject) // before the client can know that it is connected
	defer o.leave(p.Subject, placed)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"orders"},
		InsecureSkipVerify: true, // of Origin: a bearer token has let the request in, and no browser sends one by itself
	})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context()) // the client has nothing to say
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-placed:
			text, err := json.Marshal(one)
			if err != nil || conn.Write(ctx, websocket.MessageText, text) != nil {
				return
			}
		}
	}
}

// join returns a channel that gets the orders of a subject from now on.
func (o *orders) join(subject string) chan order {
	placed := make(chan order, maxOrders)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.followers[subject] == nil {
		o.followers[subject] = map[chan order]bool{}
	}
	o.followers[subject][placed] = true
	return placed
}

func (o *orders) leave(subject string, placed chan order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.followers[subject], placed)
	if len(o.followers[subject]) == 0 {
		delete(o.followers, subject)
	}
}

// tell passes an order on. A socket that does not read loses it. o.mu is held.
func (o *orders) tell(subject string, placed order) {
	for follower := range o.followers[subject] {
		select {
		case follower <- placed:
		default:
		}
	}
}
