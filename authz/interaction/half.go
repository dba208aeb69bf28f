package interaction

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

const (
	halfCookie   = "-half"
	halfLifetime = 10 * time.Minute
	deviceCookie = "-remembered-" // and a hash of the user's id
)

// half is a sign-in that has proved a first factor, and waits for another. There is no session yet, so nothing can be
// opened with it but the page that asks for the next factor. It is kept only in a cookie, sealed and bound to the
// browser, to the flow, and to the user's password, factors and epoch: a change of one of these ends it.
type half struct {
	ID     string `json:"n"` // the form has it too: another tab may have begun another one
	Flow   string `json:"f"`
	UserID string `json:"u"`
	Stamp  string `json:"s"` // account.Stamp

	Method      string    `json:"m"` // of the first factor, for events
	AMR         []string  `json:"a,omitempty"`
	ACR         string    `json:"c,omitempty"`
	Level       int       `json:"l"`
	Connector   string    `json:"k,omitempty"`
	AuthTime    time.Time `json:"t,omitzero"`
	Remember    bool      `json:"r,omitempty"`
	DeviceKnown bool      `json:"d,omitempty"`
	Begun       time.Time `json:"b"`
}

// newHalf describes what a first factor has proved.
func newHalf(v *visit, user *storage.User, method string, how session.Login, remember bool) *half {
	return &half{
		ID: oauth.NewID(), Flow: v.flow.tag(), UserID: user.ID, Stamp: account.Stamp(user),
		Method: method, AMR: how.AMR, ACR: how.ACR, Level: max(how.Level, int(factor.One)), Connector: how.Connector, AuthTime: how.AuthTime,
		Remember: remember, Begun: storage.Now(),
	}
}

// login is what the session is to have.
func (h *half) login() session.Login {
	return session.Login{AMR: h.AMR, ACR: h.ACR, Level: h.Level, DeviceKnown: h.DeviceKnown, Connector: h.Connector, AuthTime: h.AuthTime}
}

// add adds what another factor has proved. A local factor proves the time too.
func (h *half) add(p proved) {
	for _, method := range p.AMR {
		if !slices.Contains(h.AMR, method) {
			h.AMR = append(h.AMR, method)
		}
	}
	h.Level = max(h.Level, int(p.Level))
	if h.Connector != "" && h.AuthTime.IsZero() {
		h.AuthTime = storage.Now()
	}
}

// tag names a flow in a half sign-in. All plain sign-ins have the same.
func (f *flow) tag() string { return oauth.HashToken(f.Params + "\n" + f.Pushed + "\n" + f.UserCode) }

// keepHalf puts a half sign-in into its cookie.
func (in *Interaction) keepHalf(w http.ResponseWriter, v *visit, h *half) {
	packed, _ := pack(h) // plain data always encodes
	sealed := base64.RawURLEncoding.EncodeToString(in.Half.Seal(packed, []byte(v.flow.Browser)))
	in.Sessions.SetCookie(w, in.Sessions.CookieName(halfCookie), sealed, halfLifetime)
}

func (in *Interaction) dropHalf(w http.ResponseWriter) {
	in.Sessions.SetCookie(w, in.Sessions.CookieName(halfCookie), "", -time.Second)
}

// openHalf returns the half sign-in of a flow and its user, nil if there is none, or if something has ended it.
func (in *Interaction) openHalf(r *http.Request, v *visit) (*half, *storage.User, error) {
	for _, c := range r.CookiesNamed(in.Sessions.CookieName(halfCookie)) {
		h := in.readHalf(c.Value, v.flow.Browser)
		if h == nil || h.Flow != v.flow.tag() || storage.Now().Sub(h.Begun) > halfLifetime {
			continue
		}
		if (v.request != nil || v.flow.Fresh) && h.Begun.Before(v.flow.Started) { // the flow may want a login that is newer than itself
			continue
		}
		user, err := in.Accounts.Get(r.Context(), h.UserID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		if !user.Disabled && account.Stamp(user) == h.Stamp {
			return h, user, nil
		}
	}
	return nil, nil, nil
}

// readHalf reads the cookie's value, nil if it is none of this browser's.
func (in *Interaction) readHalf(value, browser string) *half {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil
	}
	packed, err := in.Half.Open(raw, []byte(browser))
	if err != nil {
		return nil
	}
	h := new(half)
	if unpack(packed, h) != nil {
		return nil
	}
	return h
}

// demand is how strongly a person must prove who they are.
type demand struct {
	account factor.Level // by the policy of the account, and by the factors that its user has set up
	app     factor.Level // by the app and its request
}

// demandOf returns what policy and request want of a user whose first factor has the class acr.
func (in *Interaction) demandOf(user *storage.User, connector, acr string, v *pending) demand {
	d := demand{account: in.Factors.OfAccount(user.Roles, connector), app: factor.One}
	if v.flow.Strong {
		d.app = factor.Two
	}
	if v.request != nil {
		d.app = max(d.app, v.request.Level(acr), factor.Demanded(v.request.Client.Factors))
	}
	return d
}

// level is the stronger of both.
func (d demand) level() factor.Level { return max(d.account, d.app) }

// met reports whether a sign-in of this level is enough. A remembered device stands in for the second factor of the
// account, and for nothing else.
func (d demand) met(level int, device bool) bool {
	has := max(factor.Level(level), factor.One)
	return has >= d.app && (has >= d.account || device && d.account <= factor.Two)
}

// mayRemember reports whether this device can be remembered, to save the next sign-in the second factor.
func (d demand) mayRemember() bool { return d.app < factor.Two && d.account == factor.Two }

// wantsMore reports whether a sign-in needs another factor. It sets h.DeviceKnown if a remembered device stands in for it.
func (in *Interaction) wantsMore(r *http.Request, v *visit, user *storage.User, h *half) (bool, error) {
	d := in.demandOf(user, h.Connector, h.ACR, v.pending())
	own, err := in.Factors.Of(r.Context(), user.ID)
	if err != nil {
		return false, err
	}
	if own.TOTP != nil {
		d.account = max(d.account, factor.Two)
	}
	if d.met(h.Level, true) && !d.met(h.Level, false) {
		if h.DeviceKnown, err = in.remembered(r, user); err != nil {
			return false, err
		}
	}
	return !d.met(h.Level, h.DeviceKnown), nil
}

// remembered reports whether this browser is a device that the user wants to be remembered.
func (in *Interaction) remembered(r *http.Request, user *storage.User) (bool, error) {
	for _, c := range r.CookiesNamed(in.deviceCookieName(user)) {
		if known, err := in.Factors.Remembers(r.Context(), user, c.Value); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

func (in *Interaction) deviceCookieName(user *storage.User) string {
	return in.Sessions.CookieName(deviceCookie + oauth.HashToken(user.ID)[:10])
}

// pause keeps what the first factor has proved, and returns the URL of the page that asks for the next.
func (in *Interaction) pause(w http.ResponseWriter, r *http.Request, v *visit, h *half, also []storage.Write) (string, error) {
	if len(also) > 0 {
		if err := in.Store.Apply(r.Context(), also...); err != nil {
			return "", err
		}
	}
	v.flow.Failed = nil
	in.keepHalf(w, v, h)
	if v.begun != nil {
		in.finishAttempt(w, r, *v.begun, v.flow)
	}
	if v.flow.plain() && v.sealed == "" {
		return in.Issuer.URL(factorPage), nil
	}
	return in.pageURL(factorPage, in.seal(v.flow)), nil
}

// begin starts the session of a sign-in that has proved all that is wanted, with a new secret, and returns the URL at
// which it goes on. Start records the sign-in by events.SessionBegan.
func (in *Interaction) begin(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, h *half, also []storage.Write) (string, error) {
	how := h.login()
	how.Also, how.Device = also, deviceOf(r)
	if h.Method == events.MethodPassword {
		how.Also = append(how.Also, in.Accounts.TrustWrites(user, observe.Event(r.Context()).Remote())...)
	}
	seen, known, err := in.Accounts.DeviceWrites(r.Context(), user.ID, in.Sessions.KeepDevice(w, r))
	if err != nil {
		return "", err
	}
	how.Also = append(how.Also, seen...)
	if !known {
		how.With = in.tellsOfDevice(r, user)
	}
	l := v.flow.Link
	if l != nil && l.UserID != user.ID {
		l = nil
	}
	v.flow.Link, v.flow.Failed = l, nil
	started, err := in.Sessions.Start(r.Context(), w, r, user, how, h.Remember)
	if err != nil {
		return "", err
	}
	in.dropHalf(w)
	event := observe.Event(r.Context())
	event.SetSubject(user.ID)
	event.SetLogin(h.Method, observe.LoginSuccess)
	if l == nil || v.request == nil || v.request.TakesACR(how.ACR) { // a password that proves a link may not be the sign-in that is asked for
		v.flow.SignedIn = started.ID
	}
	if l != nil {
		l.SignedIn = started.ID
	}
	if v.begun != nil {
		in.finishAttempt(w, r, *v.begun, v.flow)
	}
	if l != nil {
		return in.pageURL("/link", in.seal(v.flow)), nil
	}
	offer, err := in.offersPasskey(r.Context(), v, user)
	if err != nil {
		return "", err
	}
	if offer {
		return in.pageURL(passkeyPage, in.seal(v.flow)), nil
	}
	return in.onward(v), nil
}
