package interaction

import (
	"net/http"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/useragent"
	"github.com/authzd/authzd/storage"
)

// signIn is the end of every first factor, by any method. If nothing more is wanted, it starts a session, and goes on
// with the flow or, if a link waited for the login, with the link. Otherwise it leads to the page that asks for the next
// factor.
//
//	signIn -> wantsMore? -- no --> begin: the session
//	              └- yes -> pause: half.go -> /login/factor: factor.go -> factorProved -> wantsMore? …
func (in *Interaction) signIn(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, method string, how session.Login, remember bool) error {
	return in.redirect(w, r)(in.advance(w, r, v, user, newHalf(v, user, method, how, remember), how.Also))
}

// advance begins the session of a sign-in, or pauses it for another factor, and returns the URL to go on at.
func (in *Interaction) advance(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, h *half, also []storage.Write) (string, error) {
	more, err := in.wantsMore(r, v, user, h)
	if err != nil {
		return "", err
	}
	if more {
		return in.pause(w, r, v, h, also)
	}
	return in.begin(w, r, v, user, h, also)
}

// redirect returns a function that redirects to a URL, unless there is an error.
func (in *Interaction) redirect(w http.ResponseWriter, r *http.Request) func(url string, err error) error {
	return func(url string, err error) error {
		if err == nil {
			http.Redirect(w, r, url, http.StatusSeeOther)
		}
		return err
	}
}

// deviceOf describes the browser that sends a request.
func deviceOf(r *http.Request) storage.Device {
	agent := useragent.Of(r.Header)
	d := storage.Device{Browser: agent.Browser, System: agent.System}
	if from := observe.Event(r.Context()).Remote(); from.IsValid() {
		d.Address = from.String()
	}
	return d
}

// WhereOf says in a mail from where something was done, and when.
func WhereOf(r *http.Request) mail.Where {
	d := deviceOf(r)
	return mail.Where{Browser: d.Browser, System: d.System, Address: d.Address, At: storage.Now()}
}
