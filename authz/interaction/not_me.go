package interaction

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// People are told of a sign-in in a browser that they have not used before, and can end it without signing in:
//
//	begin ─> the device is new? ─> mail ─> /not-me?link=… ─> the person sends the form ─> the session ends
//
// The link is sealed and names the session, so nothing is stored for it. It can do nothing else, and a request that only
// opens it changes nothing.

const (
	notMePath = "/not-me"
	// notMeFor is how long the link of a mail works.
	notMeFor = 30 * 24 * time.Hour
	// newUser is how long after its creation an account is told of no new device: the sign-up is the reason.
	newUser = time.Hour
)

// notMe is what the link of a mail holds.
type notMe struct {
	UserID  string    `json:"u"`
	Session string    `json:"s"`
	At      time.Time `json:"t"`
}

// tellsOfDevice returns the function that tells a user of a sign-in on a device that was not known, nil if the account is
// new.
func (in *Interaction) tellsOfDevice(r *http.Request, user *storage.User) func(*session.Session) []storage.Write {
	if storage.Now().Sub(user.CreatedAt) < newUser {
		return nil
	}
	return func(began *session.Session) []storage.Write {
		return in.Outbox.Notify(user, r.Header.Get("Accept-Language"), mail.NewDevice{
			Link: notMePath + "?link=" + in.notMeLink(began), Where: WhereOf(r),
		})
	}
}

func (in *Interaction) notMeLink(began *session.Session) string {
	plain, _ := json.Marshal(notMe{began.UserID, began.ID, storage.Now()}) // plain data always encodes
	return base64.RawURLEncoding.EncodeToString(in.NotMe.Seal(plain, nil))
}

// openNotMe returns the session that a link names, nil if it has ended. ok is false if the link is not ours or is too
// old.
func (in *Interaction) openNotMe(ctx context.Context, link string) (named *session.Session, ok bool, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(link)
	if err != nil {
		return nil, false, nil
	}
	var n notMe
	plain, err := in.NotMe.Open(raw, nil)
	if err != nil || json.Unmarshal(plain, &n) != nil || storage.Now().Sub(n.At) > notMeFor {
		return nil, false, nil
	}
	named, err = in.Sessions.LoadByID(ctx, n.Session)
	if err != nil || named == nil || named.UserID != n.UserID {
		return nil, true, err
	}
	return named, true, nil
}

// NotMePage asks whether the sign-in of a mail shall end.
func (in *Interaction) NotMePage(w http.ResponseWriter, r *http.Request) error {
	params, err := oauth.PageQuery(r)
	if err != nil {
		return err
	}
	return in.notMe(w, r, params, false)
}

// EndNotMe takes the form of that page, and ends the session.
func (in *Interaction) EndNotMe(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	return in.notMe(w, r, form, true)
}

func (in *Interaction) notMe(w http.ResponseWriter, r *http.Request, params url.Values, end bool) error {
	link := params.Get("link")
	named, ok, err := in.openNotMe(r.Context(), link)
	switch {
	case err != nil:
		return err
	case !ok:
		in.Pages.Render(w, r, http.StatusBadRequest, templates.LinkExpired{AgainURL: in.Issuer.URL("/account"), LoginURL: in.Issuer.URL("/login")})
		return nil
	case named == nil:
		in.sayEnded(w, r)
		return nil
	case !end:
		d := named.Device
		in.Pages.Render(w, r, http.StatusOK, templates.EndSignIn{
			Action: in.Issuer.URL(notMePath), Hidden: map[string]string{"link": link},
			Browser: d.Browser, System: d.System, Address: d.Address, At: named.CreatedAt,
		})
		return nil
	}
	if _, err := in.Logout.EndSession(r.Context(), named.ID, in.Events.SessionEnded(r.Context(), named)...); err != nil {
		return err
	}
	in.sayEnded(w, r)
	return nil
}

func (in *Interaction) sayEnded(w http.ResponseWriter, r *http.Request) {
	in.Pages.Render(w, r, http.StatusOK, templates.Notice{What: templates.SignInEnded, NextURL: in.Issuer.URL("/reset")})
}
