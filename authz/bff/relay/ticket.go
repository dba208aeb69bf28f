package relay

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/strictjson"
	"github.com/authzd/authzd/authz/weburl"
	"github.com/authzd/authzd/storage"
)

const (
	ticketLifetime = 30 * time.Second
	ticketBytes    = 32 // 256 random bits
	ticketQuery    = "ticket"
	// A browser sends the ticket as a sub-protocol. It has to offer another one too, which can be answered.
	ticketProtocol = "authzd.ticket"
	ticketPrefix   = ticketProtocol + "."
	maxTicketBody  = 8 << 10 // bytes
)

// Ticket answers POST /bff/ticket {"url": …}: a ticket for one WebSocket of a path with its query. The guard must have
// passed the request.
func (p *Relay) Ticket(w http.ResponseWriter, r *http.Request) {
	if err := p.giveTicket(w, r); err != nil {
		answer(w, r, err)
	}
}

func (p *Relay) giveTicket(w http.ResponseWriter, r *http.Request) error {
	session, err := p.config.Sessions.Find(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTicketBody))
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "the body is too large, or ended too soon")
	}
	var asked struct {
		URL string `json:"url"`
	}
	if err := strictjson.Unmarshal(body, &asked); err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", `the body must be {"url": "…"}`)
	}
	target, err := p.target(asked.URL)
	if err != nil {
		return err
	}
	raw := make([]byte, ticketBytes)
	rand.Read(raw) // never fails
	ticket := base64.RawURLEncoding.EncodeToString(raw)
	record := &storage.BFFTicket{Session: session.ID, URL: target, Origin: p.ownOrigin()}
	put := storage.BFFTickets.Put(websession.Hash(ticket), record, storage.Absent, storage.Now().Add(ticketLifetime))
	if err := p.config.Store.Apply(r.Context(), put); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may have gone
		"ticket": ticket, "protocol": ticketPrefix + ticket, "expires_in": int(ticketLifetime / time.Second),
	})
	return nil
}

// target reads the URL that a ticket is asked for, and returns its path and query as a browser sends them.
func (p *Relay) target(raw string) (string, error) {
	own := p.ownOrigin()
	for _, origin := range []string{own, "ws" + strings.TrimPrefix(own, "http")} {
		if rest, ok := strings.CutPrefix(raw, origin+"/"); ok {
			raw = "/" + rest
			break
		}
	}
	path, query, _ := strings.Cut(raw, "?")
	path, query = asSent(path, ""), asSent(query, "'")
	_, rt, err := p.lookup(path)
	switch {
	case err != nil:
		return "", refuse(http.StatusBadRequest, "invalid_request", "the url is not a path of this origin, or has a path that can be read in two ways")
	case strings.Contains(query, "#"):
		return "", refuse(http.StatusBadRequest, "invalid_request", "the url has a fragment")
	case rt == nil || !rt.WebSocket:
		return "", refuse(http.StatusNotFound, "not_found", "there is no WebSocket at this path")
	}
	if rt.TicketInQuery {
		_, query = cutTicket(query)
	}
	return bound(path, query), nil
}

// asSent encodes what browsers encode in a URL: blanks, quotes, angle brackets, what is not ASCII, and more.
func asSent(s, more string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || strings.IndexByte(more, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// bound is what a ticket is bound to.
func bound(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// shown is what a handshake shows.
type shown struct {
	ticket  string
	offered []string // the app's sub-protocols
	echo    string   // the one to answer with if the app has none
	query   string   // without the ticket
}

// readTicket finds the one ticket of a handshake.
func readTicket(r *http.Request, rt *route) (*shown, error) {
	s := &shown{query: r.URL.RawQuery}
	var found []string
	for _, protocol := range tokens(r.Header["Sec-Websocket-Protocol"]) {
		if ticket, ok := strings.CutPrefix(protocol, ticketPrefix); ok {
			found = append(found, ticket)
			if s.echo == "" {
				s.echo = protocol // it is used up by then
			}
		} else if protocol != ticketProtocol {
			s.offered = append(s.offered, protocol)
		}
	}
	if slices.Contains(tokens(r.Header["Sec-Websocket-Protocol"]), ticketProtocol) {
		s.echo = ticketProtocol
	}
	if rt.TicketInQuery {
		var inQuery []string
		inQuery, s.query = cutTicket(s.query)
		found = append(found, inQuery...)
	}
	switch len(found) {
	case 0:
		return nil, refuse(http.StatusUnauthorized, "ticket_required", "a WebSocket needs a ticket")
	case 1:
		s.ticket = found[0]
		return s, nil
	}
	return nil, refuse(http.StatusBadRequest, "invalid_request", "the handshake has several tickets")
}

// cutTicket takes the ticket from a query, and leaves the rest as it is.
func cutTicket(query string) (tickets []string, rest string) {
	var kept []string
	for param := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(param, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && decoded == ticketQuery {
			tickets = append(tickets, value)
		} else {
			kept = append(kept, param)
		}
	}
	return tickets, strings.Join(kept, "&")
}

// redeem takes a ticket away, and returns nil if it was good. The first handshake that shows a ticket has used it, even
// if the ticket was for something else.
func (p *Relay) redeem(ctx context.Context, ticket string, session *websession.Session, target string) error {
	refused := refuse(http.StatusForbidden, "ticket_refused", "the ticket is unknown, used, too old, or for something else")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(raw) != ticketBytes {
		return refused
	}
	key := websession.Hash(ticket)
	record, version, err := storage.BFFTickets.Get(ctx, p.config.Store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return refused
	} else if err != nil {
		return err
	}
	err = p.config.Store.Apply(ctx, storage.BFFTickets.Delete(key, storage.At(version)))
	switch {
	case storage.IsConflict(err):
		return refused
	case err != nil:
		return err
	case record.Session != session.ID || record.URL != target || record.Origin != p.ownOrigin():
		return refused
	}
	return nil
}

func (p *Relay) ownOrigin() string { return weburl.OriginOf(p.origin) }
