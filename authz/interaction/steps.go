package interaction

import (
	"context"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/oauth"
)

// step is one thing that a person may be asked for before a client or a device gets what it asks for.
type step struct {
	page string // the page that asks for it, and leads back to the dispatcher
	code string // the error under prompt=none (OpenID Connect Core section 3.1.2.6)
	why  string // its description
	// missing reports whether the person must still be asked. Its error refuses the request.
	missing func(in *Interaction, ctx context.Context, p *pending) (bool, error)
}

// loginPage asks who it is.
const loginPage = "/login"

// consentPage asks for the consent. The user of a device is asked on the device page instead.
const consentPage = "/consent"

// steps are all steps, in the order of OpenID Connect Core sections 3.1.2.3 and 3.1.2.4: who is it, is the login
// fresh enough, is it the right account, has the user agreed? Each is a file with its page.
//
// Another step is a file, a line here before the consent, and a line of authz/routes.go. It is missing until something
// in the session or the flow proves that it was taken. A session begins after all factors of its sign-in; the second step
// is for sessions that are too weak for what is asked now. The account page goes through the steps too, with neither
// request nor flow.
var steps = []step{
	{signUpPage, oauth.LoginRequired, "The user must sign up.", (*Interaction).needsSignUp},
	{loginPage, oauth.LoginRequired, "The user must sign in.", (*Interaction).needsLogin},
	{factorPage, oauth.LoginRequired, "The user must prove another factor.", (*Interaction).needsFactor},
	{"/select-account", oauth.AccountSelection, "The user must choose an account.", (*Interaction).needsAccount},
	{consentPage, oauth.ConsentRequired, "The user must consent.", (*Interaction).needsConsent},
}

// pending is what waits for a person: an authorization request, or a device.
type pending struct {
	request *authorize.Request // nil: a device that is not known yet
	flow    flow
	who
}

// next returns the first step that is missing, nil if none is.
func (in *Interaction) next(ctx context.Context, p *pending) (*step, error) {
	for i := range steps {
		missing, err := steps[i].missing(in, ctx, p)
		if err != nil {
			return nil, err
		}
		if missing {
			return &steps[i], nil
		}
	}
	return nil, nil
}
