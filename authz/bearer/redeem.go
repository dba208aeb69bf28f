package bearer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Redeem passes on only WebSocket handshakes with a valid ticket. The handler sees the caller (FromContext,
// RequireScope), and no trace of the ticket: it is cut from Sec-WebSocket-Protocol and from the URL. If the page has
// named no protocol but the ticket's, TicketProtocol is left for the handler to choose, because a browser gives up a
// connection whose protocols were all ignored.
//
// A ticket is used up by its first handshake, whether or not that succeeds.
func (t *Tickets) Redeem(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &caller{verifier: t.verifier, scheme: schemeBearer}
		inner, refused := t.redeem(r, c)
		if refused != nil {
			c.refuse(w, refused)
			return
		}
		next.ServeHTTP(w, inner)
	})
}

var noTicket = &refusal{
	status: http.StatusUnauthorized, code: "unauthorized", bare: true,
	description: "a ticket is needed: send it as a sub-protocol",
}

// redeem uses up the ticket of a handshake, and returns the request without it.
func (t *Tickets) redeem(r *http.Request, c *caller) (*http.Request, *refusal) {
	if !isHandshake(r) {
		return nil, badRequest("this is not the handshake of a WebSocket")
	}
	text, inner, refused := t.cut(r)
	if refused != nil {
		return nil, refused
	}
	value, ok, err := t.store.Take(r.Context(), ticketKey(text))
	if err != nil {
		t.verifier.logger.Warn("a ticket could not be taken", "cause", err)
		return nil, ticketsAway
	}
	var kept ticket
	if ok {
		ok = json.Unmarshal(value, &kept) == nil && (kept.Claims == nil) == (kept.Principal != nil)
	}
	origins := r.Header["Origin"]
	switch target := requestPath(inner) + "?" + inner.URL.RawQuery; {
	case !ok:
		return nil, badToken("the ticket is unknown, used or expired")
	case kept.Target != target:
		return nil, badToken("the ticket is for another URL")
	case len(origins) > 1 || strings.Join(origins, "") != kept.Origin:
		return nil, badToken("the ticket was fetched by a page of another origin")
	}
	c.principal, err = t.verifier.revive(&kept)
	if err != nil {
		return nil, refusalOf(err)
	}
	return inner.WithContext(context.WithValue(inner.Context(), callerKey{}, c)), nil
}

// revive returns the caller of a ticket, if the token still counts.
func (v *Verifier) revive(kept *ticket) (*Principal, error) {
	if kept.Claims == nil {
		return kept.Principal, nil
	}
	claims, err := parseClaims(kept.Claims)
	if err != nil {
		return nil, err
	}
	p, err := claims.principal(kept.Claims)
	if err != nil {
		return nil, err
	}
	for _, a := range v.authorities {
		if a.issuer != kept.Issuer {
			continue
		}
		p.Issuer = kept.Issuer // an introspection may name none
		if !p.Expires.IsZero() && !time.Now().Before(p.Expires.Add(v.leeway)) {
			return nil, &TokenError{"the token has expired"}
		}
		return p, a.honours(p)
	}
	return nil, &TokenError{"the token is from another issuer"}
}

// isHandshake recognises the opening handshake of RFC 6455 section 4.2.1.
func isHandshake(r *http.Request) bool {
	return r.Method == http.MethodGet && hasToken(r.Header["Upgrade"], "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

// hasToken looks for a token in a header that is a list, in any case.
func hasToken(lines []string, token string) bool {
	return slices.ContainsFunc(list(lines), func(s string) bool { return strings.EqualFold(s, token) })
}

// list splits a header that is a comma-separated list (RFC 9110 section 5.6.1).
func list(lines []string) (items []string) {
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if item = strings.Trim(item, " \t"); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// cut returns the one ticket of a handshake, and a copy of the request without it.
func (t *Tickets) cut(r *http.Request) (text string, inner *http.Request, refused *refusal) {
	protocols, tickets := cutProtocols(list(r.Header["Sec-Websocket-Protocol"]))
	query, more := r.URL.RawQuery, []string(nil)
	if t.query != "" {
		query, more = cutParameter(query, t.query)
	}
	tickets = append(tickets, more...)
	switch {
	case len(tickets) == 0:
		return "", nil, noTicket
	case len(tickets) > 1:
		return "", nil, badRequest("more than one ticket")
	case !isTicket(tickets[0]):
		return "", nil, badToken("the ticket is malformed")
	}
	inner = r.Clone(r.Context())
	inner.Header.Del("Sec-Websocket-Protocol")
	if len(protocols) > 0 {
		inner.Header.Set("Sec-Websocket-Protocol", strings.Join(protocols, ", "))
	}
	if query != r.URL.RawQuery {
		inner.URL.RawQuery = query
		path, _, _ := strings.Cut(r.RequestURI, "?")
		inner.RequestURI = path
		if query != "" {
			inner.RequestURI += "?" + query
		}
	}
	return tickets[0], inner, nil
}

// cutProtocols parts the tickets from the other sub-protocols. If there is no other, TicketProtocol remains, if it
// was named.
func cutProtocols(named []string) (others, tickets []string) {
	own := false
	for _, p := range named {
		if text, ok := strings.CutPrefix(p, TicketProtocol+"."); ok {
			tickets = append(tickets, text)
		} else if p == TicketProtocol {
			own = true
		} else {
			others = append(others, p)
		}
	}
	if own && len(others) == 0 {
		others = []string{TicketProtocol}
	}
	return others, tickets
}

// cutParameter parts the values of a parameter from a raw query, which otherwise stays as it is.
func cutParameter(query, name string) (rest string, values []string) {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(part, "=")
		if key, err := url.QueryUnescape(key); err == nil && key == name {
			values = append(values, value)
		} else {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&"), values
}

// isTicket reports whether a text has the form of a ticket: 32 bytes of canonical base64url.
func isTicket(text string) bool { return len(text) == 43 && canonicalBase64URL(text) }
