package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// refresher is an app that stays signed in. It asks twice with every refresh token, as two tabs do.
type refresher struct {
	visitor
	Token string // the newest; "": none yet
	Next  string // what Token was answered with; "": it was not yet
}

func (r *refresher) step(s *server, remember func()) error {
	if r.Token == "" {
		a, err := r.tokens(s, "openid offline_access orders.read")
		r.Token = a.RefreshToken
		remember()
		return err
	}
	a, err := answered(s.refresh(r.Token))
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		return broken("a client was logged out: %v", a)
	case r.Next == "":
		r.Next = a.RefreshToken
	case r.Next != a.RefreshToken:
		return broken("one refresh token has two successors")
	default:
		r.Token, r.Next = r.Next, ""
	}
	remember()
	return nil
}

// redeemer is an app whose user keeps coming back: the session gives a code, the code gives tokens.
type redeemer struct {
	visitor
	Code     *codeFlow  // under way
	Sent     bool       // Code was, so that it may have been redeemed without an answer
	Redeemed []codeFlow // some, to be sent again
}

func (r *redeemer) step(s *server, remember func()) (err error) {
	defer remember()
	if len(r.Redeemed) > 3 {
		f := &r.Redeemed[0]
		f.s = s
		a, err := answered(f.redeem())
		if err == nil && !a.refused() {
			err = broken("a code was redeemed twice: %v", a)
		}
		if err == nil {
			r.Redeemed = r.Redeemed[1:]
		}
		return err
	}
	if r.Code == nil {
		r.Code, err = r.code(s, "openid orders.read")
		return err
	}
	again := r.Sent
	r.Sent = true
	remember()
	r.Code.s = s
	a, err := answered(r.Code.redeem())
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK:
		r.Redeemed = append(r.Redeemed, *r.Code)
	case !again || !a.refused():
		return broken("a code (sent before: %v): %v", again, a)
	}
	r.Code, r.Sent = nil, false
	return nil
}

// revoker gets tokens and revokes them.
type revoker struct {
	visitor
	Token   string
	Asked   bool     // for the end of Token
	Revoked []string // some that are, so the server said
}

func (r *revoker) step(s *server, remember func()) (err error) {
	defer remember()
	if err := stayRefused(s, "revoked", &r.Revoked); err != nil {
		return err
	}
	if r.Token == "" {
		a, err := r.tokens(s, "openid offline_access orders.read")
		r.Token = a.RefreshToken
		return err
	}
	if !r.Asked {
		a, err := answered(s.refresh(r.Token))
		if err == nil && a.status != http.StatusOK {
			err = broken("a token that nobody has revoked: %v", a)
		}
		if err != nil {
			return err
		}
		r.Token, r.Asked = a.RefreshToken, true
		remember()
	}
	resp, err := tokenClient.PostForm(s.issuer+"/revoke", url.Values{"client_id": {"spa"}, "token": {r.Token}})
	if err != nil {
		return err
	}
	resp.Body.Close()
	if _, err := answered(answer{status: resp.StatusCode}, nil); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return broken("revocation: status %d", resp.StatusCode)
	}
	r.Revoked, r.Token, r.Asked = append(r.Revoked, r.Token), "", false
	return nil
}

// stayRefused sends the oldest of some tokens that have ended, and forgets it.
func stayRefused(s *server, what string, ended *[]string) error {
	if len(*ended) < 3 {
		return nil
	}
	a, err := answered(s.refresh((*ended)[0]))
	if err == nil && !a.refused() {
		err = broken("a token that was %s: %v", what, a)
	}
	if err == nil {
		*ended = (*ended)[1:]
	}
	return err
}

// leaver signs in and out. Its refresh tokens live as long as the session.
type leaver struct {
	visitor
	Token   string
	Leaving bool
	Ended   []string // some tokens of sessions that have ended, so the server said
}

func (l *leaver) step(s *server, remember func()) error {
	defer remember()
	if err := stayRefused(s, "of a session that has ended", &l.Ended); err != nil {
		return err
	}
	if l.Token == "" {
		a, err := l.tokens(s, "openid orders.read")
		l.Token = a.RefreshToken
		return err
	}
	if !l.Leaving {
		a, err := answered(s.refresh(l.Token))
		if err == nil && a.status != http.StatusOK {
			err = broken("a token of a session that goes on: %v", a)
		}
		if err != nil {
			return err
		}
		l.Token, l.Leaving = a.RefreshToken, true
		remember()
	}
	b := openBrowser(s)
	b.setCookies(l.Cookies)
	if err := b.logOut(); err != nil {
		return err
	}
	*l = leaver{Ended: append(l.Ended, l.Token)}
	return nil
}

// logOut presses the button, if there is a session to end, and returns nil once the page says that it
// has ended.
func (b *browser) logOut() error {
	req, err := http.NewRequest(http.MethodGet, b.issuer+"/logout", nil)
	if err != nil {
		return err
	}
	p, err := b.open(req)
	if err != nil {
		return err
	}
	if p.byID("logout-confirm") != nil {
		if req, err = p.submit("logout-confirm", nil); err != nil {
			return err
		}
		if p, err = b.open(req); err != nil {
			return err
		}
	}
	if text := p.text(); p.status != http.StatusOK || !strings.Contains(text, "You’re signed out") {
		return fmt.Errorf("status %d: %s", p.status, text)
	}
	return nil
}

// registrant registers a client, renames it and removes it (RFC 7591, RFC 7592).
type registrant struct {
	Own     registration
	Name    string // as it was answered last
	Sent    string // another name, which may have arrived
	Renames int
	Leaving bool
	Gone    []registration // some that were removed, so the server said
}

type registration struct {
	URI   string `json:"registration_client_uri"`
	Token string `json:"registration_access_token"`
	ID    string `json:"client_id"`
	Name  string `json:"client_name"`
}

const (
	firstName = "Orders"
	callback  = "https://registered.example.com/callback"
)

func (r *registrant) step(s *server, remember func()) error {
	defer remember()
	if len(r.Gone) > 2 {
		if _, err := r.Gone[0].call(http.MethodGet, nil, http.StatusUnauthorized); err != nil {
			return err
		}
		r.Gone = r.Gone[1:]
	}
	if r.Own.URI == "" {
		own, err := registration{URI: s.issuer + "/register"}.call(http.MethodPost, map[string]any{
			"client_name": firstName, "redirect_uris": []string{callback}, "token_endpoint_auth_method": "none",
		}, http.StatusCreated)
		if err == nil {
			r.Own, r.Name, r.Renames = own, firstName, 0
		}
		return err
	}
	if r.Leaving || r.Renames == 3 {
		return r.leave(remember)
	}
	if r.Sent != "" { // and no answer came
		now, err := r.Own.call(http.MethodGet, nil, http.StatusOK)
		if err == nil && now.Name != r.Name && now.Name != r.Sent {
			err = broken("the client is called %q, neither %q nor %q", now.Name, r.Name, r.Sent)
		}
		if err == nil {
			r.Name, r.Sent = now.Name, ""
		}
		return err
	}
	now, err := r.Own.call(http.MethodGet, nil, http.StatusOK)
	if err == nil && now.Name != r.Name {
		err = broken("the client is called %q, not %q", now.Name, r.Name)
	}
	if err != nil {
		return err
	}
	r.Renames++
	r.Sent = fmt.Sprint(firstName, " ", r.Renames)
	remember()
	if _, err = r.Own.call(http.MethodPut, map[string]any{
		"client_id": r.Own.ID, "client_name": r.Sent, "redirect_uris": []string{callback}, "token_endpoint_auth_method": "none",
	}, http.StatusOK); err != nil {
		return err
	}
	r.Name, r.Sent = r.Sent, ""
	return nil
}

func (r *registrant) leave(remember func()) error {
	again := r.Leaving
	r.Leaving = true
	remember()
	_, err := r.Own.call(http.MethodDelete, nil, http.StatusNoContent)
	if again && errors.As(err, new(brokenPromise)) { // it may have gone the first time
		_, err = r.Own.call(http.MethodDelete, nil, http.StatusUnauthorized)
	}
	if err == nil {
		*r = registrant{Gone: append(r.Gone, r.Own)}
	}
	return err
}

// call sends a request to the client configuration endpoint and demands the status.
func (r registration) call(method string, metadata map[string]any, want int) (got registration, err error) {
	status, body, err := send(method, r.URI, r.Token, metadata)
	if err != nil {
		return got, err
	}
	if _, err := answered(answer{status: status}, nil); err != nil {
		return got, err
	}
	if status != want {
		return got, broken("%s of a registered client: status %d, want %d: %.200s", method, status, want, body)
	}
	if want == http.StatusNoContent {
		return got, nil
	}
	return got, json.Unmarshal(body, &got)
}
