package bff

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

const maxForm = 64 << 10 // bytes

// logout ends the session here, revokes its tokens, and says where the provider's session ends: POST with the header
// gets {"location": …}, the form of logoutPage a redirect. It is never a GET, which an image could make.
func (f *frontend) logout(w http.ResponseWriter, r *http.Request) error {
	isForm := r.Header.Get(guard.Header) == "" && isFormBody(r)
	kind := guard.API
	if isForm {
		kind = guard.Form
	}
	if err := guard.Check(r, f.origin, kind); err != nil {
		return err
	}
	session, err := f.sessions.Find(r)
	if err != nil && !errors.Is(err, websession.ErrNone) {
		return err
	}
	target := f.path + "/"
	if session != nil {
		if isForm {
			if err := f.checkToken(w, r, session); err != nil {
				return err
			}
		}
		observe.Event(r.Context()).SetSubject(session.Subject)
		if target, err = f.signOut(r, session); err != nil {
			return err
		}
	}
	f.sessions.DropCookie(w)
	f.logins.unmark(w)
	if isForm {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]string{"location": target})
	return nil
}

// signOut ends the session and returns where the browser goes. A provider that cannot be asked keeps nobody signed in
// here.
func (f *frontend) signOut(r *http.Request, session *websession.Session) (target string, err error) {
	hint, err := f.sessions.IDToken(session)
	if err != nil { // the provider asks without a hint, and the session ends all the same
		f.bff.Logger.WarnContext(r.Context(), "signed out without a hint for the provider", "frontend", f.Name, "cause", err.Error())
	}
	if err := f.sessions.SignOut(r.Context(), session, websession.SignedOut); err != nil {
		return "", err
	}
	target, err = f.client.EndSessionURL(r.Context(), hint, f.origin+f.path+"/")
	if err != nil || target == "" {
		if err != nil {
			f.bff.Logger.WarnContext(r.Context(), "signed out here, but not at the provider", "frontend", f.Name, "cause", err.Error())
		}
		return f.path + "/", nil
	}
	return target, nil
}

// checkToken reads the form of logoutPage.
func (f *frontend) checkToken(w http.ResponseWriter, r *http.Request, session *websession.Session) error {
	values, err := readForm(w, r)
	if err != nil {
		return err
	}
	if len(values["token"]) != 1 || !f.logouts.fits(values.Get("token"), session.ID) {
		return refuse(http.StatusForbidden, "foreign_request", "the form is not that of this session's own page")
	}
	return nil
}

// logoutPage asks whether the user wants to sign out. It changes nothing. Pages without script link to it.
func (f *frontend) logoutPage(w http.ResponseWriter, r *http.Request) error {
	session, err := f.sessions.Find(r)
	if errors.Is(err, websession.ErrNone) {
		writePage(w, http.StatusOK, pageData{Title: "You’re signed out", Action: f.path + "/", Button: "Go on"})
		return nil
	} else if err != nil {
		return err
	}
	w.Header().Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send Origin: null with the form
	writePage(w, http.StatusOK, pageData{
		Title: "Sign out?", Text: "You will be signed out here and at your sign-in service.",
		Action: f.path + "/bff/logout", Button: "Sign out", Token: f.logouts.of(session.ID),
	})
	return nil
}

func isFormBody(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// readForm reads the body of a form and nothing of the URL.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if !isFormBody(r) {
		return nil, refuse(http.StatusUnsupportedMediaType, "invalid_request", "send a form (application/x-www-form-urlencoded)")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the form is too long, or was cut").because(err)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the form cannot be read")
	}
	return values, nil
}
