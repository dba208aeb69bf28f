package bearer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Tickets open WebSockets. A browser can't send an access token with the handshake, so the page fetches a ticket
// with its token first, and sends that:
//
//	mux.Handle("POST /ticket", v.Protect(tickets.Issue()))
//	mux.Handle("GET /socket", tickets.Redeem(socket))
//
//	const { protocol } = await (await fetch("/ticket", { method: "POST", headers, body: JSON.stringify({ url: "/socket?room=1" }) })).json()
//	new WebSocket("wss://api.example.com/socket?room=1", ["authzd.ticket", protocol])
//
// A ticket has 256 random bits and lives for 30 seconds. It works once, for the caller who has fetched it, for the
// path and query that were named, and from pages of the same origin. Redeem refuses everything else before the
// connection is upgraded.
//
// An open socket outlives a logout: close it (4401) when the context of Verifier.Watch ends.
type Tickets struct {
	verifier *Verifier
	store    TicketStore
	url      *url.URL
	query    string
}

// TicketsConfig says where tickets are kept.
type TicketsConfig struct {
	// Verifier protects Issue, and checks at the handshake that the caller's token still counts. Required.
	Verifier *Verifier

	// Store keeps tickets until they are used. nil: NewMemoryTickets(0), which knows only this process. If the
	// API has several replicas, give it one that they share.
	Store TicketStore

	// URL is what clients see before the path of a request: https://example.com/api, if a proxy removes /api.
	// Default: the path is the same for both, and any host may be named.
	URL string

	// Query is the name of a parameter in which a ticket may come too, for clients that can't choose
	// sub-protocols. It is cut from the URL before the handler sees it, but proxies in front have it in their
	// logs. Empty: not accepted.
	Query string
}

// TicketStore keeps tickets. It must be safe for concurrent use. Keys are 43 characters of base64url; a store
// learns no ticket.
type TicketStore interface {
	// Put keeps a value until a moment half a minute from now. After an error no ticket is given out.
	Put(ctx context.Context, key string, value []byte, until time.Time) error
	// Take returns the value and removes it. Of several calls with one key, exactly one gets the value; the others
	// get ok = false, as for a key that is unknown or has expired. After an error the handshake is refused with 503.
	Take(ctx context.Context, key string) (value []byte, ok bool, err error)
}

const (
	// TicketProtocol is the sub-protocol that a server chooses if the page has named no other. Add it to those of
	// your WebSocket library, as the last one.
	TicketProtocol = "authzd.ticket"

	ticketLifetime = 30 * time.Second
	maxTicketURL   = 4 << 10 // bytes
)

// NewTickets checks the configuration.
func NewTickets(cfg TicketsConfig) (*Tickets, error) {
	t := &Tickets{verifier: cfg.Verifier, store: cfg.Store, query: cfg.Query}
	var errs []error
	if cfg.Verifier == nil {
		errs = append(errs, errors.New("a Verifier is required"))
	}
	if cfg.URL != "" {
		var err error
		if t.url, err = url.Parse(strings.TrimSuffix(cfg.URL, "/")); err != nil || !isHTTP(t.url) || t.url.User != nil || strings.ContainsAny(cfg.URL, "?#") {
			errs = append(errs, fmt.Errorf("the URL %q must be an http or https URL without userinfo, query and fragment", cfg.URL))
		}
	}
	if cfg.Query != url.QueryEscape(cfg.Query) {
		errs = append(errs, errors.New("the Query must not need escapes"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bearer: tickets: %w", err)
	}
	if t.store == nil {
		t.store = NewMemoryTickets(0)
	}
	return t, nil
}

// ticket is what is kept of one. The store has its hash as the key.
type ticket struct {
	Target    string          // path and query, as the API sees them
	Origin    string          // of the page; empty: the caller is no browser
	Issuer    string          `json:",omitempty"` // of the caller's token
	Claims    json.RawMessage `json:",omitempty"` // of the caller's token
	Principal *Principal      `json:",omitempty"` // a caller without a token (Verifier.Either)
}

// Issue returns the handler that gives out tickets: POST with {"url": "…"}, answered with ticket, protocol and
// expires_in (seconds). Put it inside Protect or Either.
func (t *Tickets) Issue() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(callerKey{}).(*caller)
		if !ok {
			notProtected.answer(w, nil)
			return
		}
		answer, refused := t.issue(r, c.principal)
		if refused != nil {
			refused.answer(w, nil)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(answer) // the client may have gone
	})
}

// issued is the answer to a request for a ticket.
type issued struct {
	Ticket    string `json:"ticket"`
	Protocol  string `json:"protocol"`   // the sub-protocol that carries it
	ExpiresIn int    `json:"expires_in"` // seconds
}

func (t *Tickets) issue(r *http.Request, p *Principal) (*issued, *refusal) {
	target, origin, refused := t.wanted(r)
	if refused != nil {
		return nil, refused
	}
	kept := ticket{Target: target, Origin: origin, Issuer: p.Issuer, Claims: p.payload}
	if p.payload == nil {
		kept.Principal = p
	}
	value, err := json.Marshal(kept)
	if err != nil {
		return nil, &refusal{status: http.StatusInternalServerError, code: "server_error", description: "the ticket could not be made"}
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails
	text := base64.RawURLEncoding.EncodeToString(random)
	if err := t.store.Put(r.Context(), ticketKey(text), value, time.Now().Add(ticketLifetime)); err != nil {
		t.verifier.logger.Warn("a ticket could not be kept", "cause", err)
		return nil, ticketsAway
	}
	return &issued{Ticket: text, Protocol: TicketProtocol + "." + text, ExpiresIn: int(ticketLifetime / time.Second)}, nil
}

var ticketsAway = &refusal{
	status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
	description: "tickets can't be handled now, try again later", retryAfter: time.Second,
}

// wanted returns what a request for a ticket asks for.
func (t *Tickets) wanted(r *http.Request) (target, origin string, refused *refusal) {
	if r.Method != http.MethodPost {
		return "", "", &refusal{status: http.StatusMethodNotAllowed, code: "invalid_request", description: "a ticket is fetched by POST"}
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return "", "", badRequest(`the body must be JSON: {"url": "…"}, with its Content-Type`)
	}
	var body struct {
		URL string `json:"url"`
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxTicketURL))
	if err != nil || json.Unmarshal(text, &body) != nil {
		return "", "", badRequest(`the body must be JSON: {"url": "…"}`)
	}
	target, ok := t.target(body.URL)
	if !ok {
		return "", "", badRequest("the url must be a path of this API, or its ws or wss URL, without a fragment")
	}
	origins := r.Header["Origin"]
	if len(origins) > 1 {
		return "", "", badRequest("more than one Origin header")
	}
	return target, strings.Join(origins, ""), nil
}

// target returns the path and query of a URL, as the API sees them.
func (t *Tickets) target(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" || strings.Contains(text, "#") || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	if u.Scheme != "" || u.Host != "" {
		if !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) || u.Host == "" || t.url != nil && !strings.EqualFold(u.Host, t.url.Host) {
			return "", false
		}
	}
	path := u.EscapedPath()
	if t.url != nil {
		rest, ok := strings.CutPrefix(path, t.url.EscapedPath())
		if !ok || !strings.HasPrefix(rest, "/") {
			return "", false
		}
		path = rest
	}
	return path + "?" + u.RawQuery, true
}

// ticketKey is the key by which a store knows a ticket.
func ticketKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
