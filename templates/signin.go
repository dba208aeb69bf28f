package templates

import "slices"

// SignIn asks for a password, or leads to a connector, or back to the client.
//
// Inputs username, password, remember-me; buttons login-submit, login-cancel (its form says decision,
// cancel), passkey-login (its form says passkey, yes); links connector-{id}, signup, forgot-password.
type SignIn struct {
	UILocales  string
	Client     *Client // nil: a sign-in to this server's own pages
	Action     string
	Hidden     map[string]string
	Password   bool   // offer the password form
	Username   string // as typed before, or the login_hint
	RememberMe bool   // offer to stay signed in
	Remember   bool   // the box is ticked
	Connectors []Connector
	Problem    Problem
	Reason     Reason
	SignUpURL  string // empty: people can't sign up
	ForgotURL  string // empty: there are no new passwords by mail

	// User, if not nil, must sign in again (prompt=login, max_age): the username can't be changed,
	// and OtherAccountURL leads to this page without a user.
	User            *User
	OtherAccountURL string
	Detail          *ErrorDetail // development only: what was requested and left out

	Passkey *PasskeyAsk // nil: no sign-in with a passkey
	Signals string      // for the script: what the password manager should know; empty: nothing
}

func (p SignIn) meta() meta {
	return meta{template: "sign-in", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin(), scripts: p.Passkey != nil}
}

// Invalid reports whether the typed values are wrong.
func (p SignIn) Invalid() bool { return p.Problem == MissingField || p.Problem == BadCredentials }

// Connector is one upstream that the user may sign in with.
type Connector struct {
	ID   string
	Type string // "google" gets Google's mark
	Name string
	URL  string
}

// Reason is what the app demands of a sign-in.
type Reason string

const (
	NoReason    Reason = ""       // a User is asked to confirm that it's them
	FreshLogin  Reason = "fresh"  // prompt=login or max_age: sign in again
	StrongLogin Reason = "strong" // acr_values, an essential acr: sign in in another way
)

// The problems of a sign-in.
const (
	MissingField    Problem = "missing_field"     // no username or no password
	BadCredentials  Problem = "bad_credentials"   // also for unknown and disabled users
	TooManyAttempts Problem = "too_many_attempts" // wait and try again
	UpstreamRefused Problem = "upstream_refused"  // cancelled there, or not allowed in here
	UpstreamFailed  Problem = "upstream_failed"   // the connector did not answer properly
	ConfirmToLink   Problem = "confirm_to_link"   // an account with this address exists: sign in to it first
)

// SignedIn tells a visitor of the sign-in page that they are signed in, and as whom.
//
// Links account, account-other; button logout.
type SignedIn struct {
	UILocales       string
	User            User
	AccountURL      string
	OtherAccountURL string
	LogoutAction    string
	Hidden          map[string]string // of the form that signs out
}

func (p SignedIn) meta() meta { return meta{template: "signed-in", uiLocales: p.UILocales} }

// SelectAccount asks which account to continue with (prompt=select_account, or several are signed in).
//
// The button account-continue sends account=continue for the account in use, the buttons account-{n} of the others send
// the id of the user, and account-other sends account=other.
type SelectAccount struct {
	UILocales string
	Client    *Client // nil: the user changes the account on this server's own pages
	Action    string
	Hidden    map[string]string
	Accounts  []SignedInAccount
}

// SignedInAccount is an account that is signed in in the browser.
type SignedInAccount struct {
	User
	ID      string // of the user
	Current bool   // the account in use
}

func (p SelectAccount) meta() meta {
	return meta{template: "select-account", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
}

// Link asks whether an account at a connector belongs to the user, who can then sign in with it. It names
// both accounts, because the person who sees the page may not know one of them.
//
// Buttons link-confirm and link-cancel send decision=confirm or decision=cancel.
type Link struct {
	UILocales string
	Client    *Client
	Action    string
	Hidden    map[string]string
	User      User
	Identity  Identity
}

func (p Link) meta() meta { return meta{template: "link", uiLocales: p.UILocales} }

// Identity is an account at a connector, as the connector describes it: everything but the connector's name
// may be empty or untrue.
type Identity struct {
	Connector string // its name
	Name      string
	Username  string
	Email     string
}

// Names returns all names of the identity, each once.
func (i Identity) Names() []string {
	var names []string
	for _, name := range []string{i.Name, i.Email, i.Username} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
