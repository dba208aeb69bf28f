package templates

import (
	"cmp"
	"html/template"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/weburl"
)

// Page is the data of one page: SignIn, Link, SelectAccount, Consent, DeviceCode, DeviceConfirm,
// DeviceDone, LogoutConfirm, LoggedOut, Account, Error, FormPost or Home.
//
// In each of them, UILocales is the ui_locales parameter as the client sent it (OpenID Connect Core section
// 3.1.2.1), Action is the URL that the form posts to, and Hidden has its hidden fields. URLs are the server's
// own unless their comment says something else.
type Page interface {
	meta() meta
}

// Client is the application that a page is about. Others have written all of it, so nothing in it is trusted.
type Client struct {
	Name        string
	RedirectURI string // its host, or its private-use scheme, is shown
	LogoURI     string // https, or http on loopback; others are not shown
	PolicyURI   string // http or https; others are not shown
	TosURI      string // http or https; others are not shown

	// Unknown says that the operator has not named the app: it registered itself, and could have taken
	// anybody's name and logo. PublishedBy is then the host of its client ID metadata document; empty if
	// there is none.
	Unknown     bool
	PublishedBy string
	Nameless    bool // it has no name: Name is its client_id
}

// OnDevice reports whether the user is sent back to an app on this device, and not to the web. Any app on the
// device could be the one that asks (RFC 8252 section 8.6).
func (c Client) OnDevice() bool {
	if c.RedirectURI == "" {
		return false
	}
	u := webURL(c.RedirectURI)
	return u == nil || weburl.IsLoopback(u.Hostname())
}

// Logo returns the URL of the logo, or "" if none may be shown.
func (c Client) Logo() string { return foreignLink(c.LogoURI) }

// User is the person who is signed in, as shown to that person.
type User struct {
	Name     string // may be empty
	Username string
}

// SignIn asks for a password, or leads to a connector, or back to the client.
//
// Inputs username, password, remember-me; buttons login-submit, login-cancel (its form says decision,
// cancel); links connector-{id}.
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

	// User, if not nil, must sign in again (prompt=login, max_age): the username can't be changed,
	// and OtherAccountURL leads to this page without a user.
	User            *User
	OtherAccountURL string
	Detail          *ErrorDetail // development only: what was requested and left out
}

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

// Problem is why the last attempt failed.
type Problem string

const (
	NoProblem       Problem = ""
	MissingField    Problem = "missing_field"     // no username or no password
	BadCredentials  Problem = "bad_credentials"   // also for unknown and disabled users
	TooManyAttempts Problem = "too_many_attempts" // wait and try again
	UpstreamRefused Problem = "upstream_refused"  // cancelled there, or not allowed in here
	UpstreamFailed  Problem = "upstream_failed"   // the connector did not answer properly
	ConfirmToLink   Problem = "confirm_to_link"   // an account with this address exists: sign in to it first
	MissingCode     Problem = "missing_code"      // no user code
	UnknownCode     Problem = "unknown_code"      // also for one that was used
	ExpiredCode     Problem = "expired_code"
)

// SelectAccount asks whether to continue as the signed-in user (prompt=select_account).
//
// Buttons account-continue and account-other send account=continue or account=other.
type SelectAccount struct {
	UILocales string
	Client    *Client
	Action    string
	Hidden    map[string]string
	User      User
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

// Consent asks whether the client may have the access that it requests.
//
// Buttons consent-allow and consent-deny send decision=allow or decision=deny.
type Consent struct {
	UILocales       string
	Client          Client
	Action          string
	Hidden          map[string]string
	User            User
	OtherAccountURL string
	Scopes          []Scope
	Details         []AuthorizationDetail
	Detail          *ErrorDetail // development only: what was requested and left out
}

// AuthorizationDetail is one object of authorization_details (RFC 9396 section 2).
type AuthorizationDetail struct {
	Type     string // a description by the operator
	Resource string // the name of the resource; empty if there is none
	Fields   []DetailField
}

// DetailField is one member of an authorization detail. If its Value has more than MaxDetailValue characters,
// the page cuts it and says so.
type DetailField struct {
	Label string
	Value string
}

// MaxDetailValue is how many characters of a value are shown. A person should not have to agree to something
// that the page hides, so refuse requests with longer values.
const MaxDetailValue = 500

// Scope is one scope value. The standard scopes, and groups, are explained in the user's language. Others are
// shown by name, with their resource.
type Scope struct {
	Name     string
	Resource string // the name of the resource; empty for standard scopes
}

// DeviceCode asks for the code that a device shows (RFC 8628 section 3.3).
//
// Input user_code; button device-submit.
type DeviceCode struct {
	UILocales string
	Action    string
	Hidden    map[string]string
	UserCode  string // as typed before
	Problem   Problem
}

// DeviceConfirm asks whether the client on the device may have the access that it requests, and whether the
// device is at hand, because somebody else may have sent the code (RFC 8628 section 5.4).
//
// Buttons consent-allow and consent-deny send decision=allow or decision=deny.
type DeviceConfirm struct {
	UILocales       string
	Client          Client
	Action          string
	Hidden          map[string]string
	User            User
	OtherAccountURL string
	UserCode        string // as the device shows it
	Scopes          []Scope
	Details         []AuthorizationDetail
	Detail          *ErrorDetail // development only: what was requested and left out
}

// DeviceDone sends the user back to the device.
type DeviceDone struct {
	UILocales string
	Client    Client
	Allowed   bool
}

// LogoutConfirm asks whether to sign out. Button logout-confirm.
type LogoutConfirm struct {
	UILocales string
	Client    *Client // that asks; nil if unknown
	Action    string
	Hidden    map[string]string
	User      User
	CancelURL string       // empty: no way back is offered
	Detail    *ErrorDetail // development only: why the client's request is not trusted
}

// LoggedOut says "You’re signed out", and signs the user out of other apps in their frames (OpenID Connect
// Front-Channel Logout 1.0 section 2).
type LoggedOut struct {
	UILocales string
	Client    *Client // nil: no link back; if it is Unknown, the page names the destination
	BackURL   string  // of the client: http, https or a private-use scheme

	// Frames are the apps' logout URLs with their iss and sid: https, or http on loopback; others are not
	// loaded.
	Frames []string
	// Return goes on to BackURL when the frames have loaded, at the latest after some seconds: BackURL is the
	// post_logout_redirect_uri.
	Return bool
}

// Account shows users what the server knows, and lets them withdraw access.
//
// Buttons revoke-{client_id} send revoke={client_id} to Action; links open-{client_id}; buttons
// end-{session id} send end={session id} to Action; button
// sign-out-everywhere, below a disclosure that asks first, sends sign-out-everywhere=yes to Action;
// buttons unlink-{identity id} send unlink={identity id} to Action; button logout posts to LogoutAction; link
// more-sessions leads to the next page of sessions.
type Account struct {
	UILocales       string
	User            User
	Claims          []Claim
	Connector       string // the name of the connector signed in with; empty: password
	SignedInAt      time.Time
	Sessions        []Session // without any, the page has no "sign out everywhere"
	MoreSessionsURL string    // of the next page of sessions; empty: there is none
	Identities      []LinkedIdentity
	IdentityChanges []IdentityChange // the newest first
	Apps            []App
	Action          string
	LogoutAction    string
	Hidden          map[string]string
}

// LinkedIdentity is an account at a connector that the user signs in with.
type LinkedIdentity struct {
	ID        string
	Connector string // its name
	Email     string // may be empty
	LinkedAt  time.Time
	LastWayIn bool // it can't be unlinked
}

// IdentityChange is an identity that was linked or unlinked.
type IdentityChange struct {
	Connector  string
	At         time.Time
	Linked     bool
	ByOperator bool
}

// Claim is one profile value under its name in OpenID Connect Core section 5.1.
type Claim struct {
	Name     string
	Value    string
	Verified bool
}

// Session is one browser that the user is signed in with.
type Session struct {
	ID           string // not a secret
	StartedAt    time.Time
	LastActiveAt time.Time
	Current      bool // the browser that shows the page
}

// App is a client that has access to the account.
type App struct {
	ClientID  string
	Name      string
	Scopes    []Scope
	GrantedAt time.Time
	OpenURL   string // starts a login at the client (initiate_login_uri): https, or http on loopback; empty: no link
}

// Error explains why a request failed. The element error-code has the status and the code.
type Error struct {
	UILocales string
	Code      string
	Reason    string       // selects the sentence if the code is not specific enough; empty: the code
	Client    *Client      // nil: no link back
	BackURL   string       // of the client: http, https or a private-use scheme
	Answer    *Answer      // instead of BackURL: the answer that the link carries to Client
	AgainURL  string       // of this server, where the sign-in begins again; empty: no link
	Detail    *ErrorDetail // development only; nil: one plain sentence
}

// Answer is an authorization response that waits for a click, because nobody vouches for its client. The
// caller must have compared the URL with the client's registered redirect URIs.
type Answer struct {
	URL    string
	Fields map[string]string // to be posted there; nil: they are in the URL
}

// SafeURL is URL for the template, which would otherwise replace private-use schemes.
func (a Answer) SafeURL() template.URL { return template.URL(a.URL) }

// Text names the sentence that the page shows.
func (p Error) Text() string { return cmp.Or(p.Reason, p.Code) }

// ErrorDetail is what a developer must know to correct a request. It is not translated.
type ErrorDetail struct {
	Explanation string
	Parameter   string   // the wrong parameter
	Received    string   // its value
	Registered  []string // the accepted values
	Nearest     string   // the nearest of them; the difference is marked
	Fix         string   // the configuration or command that corrects it
}

// FormPost sends an authorization response to the client by a form that submits itself (OAuth 2.0 Form Post
// Response Mode). The caller must have compared Action with the client's registered redirect URIs. Every
// scheme is used as it is, except script-bearing ones, which are refused.
type FormPost struct {
	UILocales string
	Client    *Client
	Action    string
	Params    map[string]string
}

// Home is the page of the issuer itself.
type Home struct {
	UILocales     string
	Issuer        string
	User          *User // nil: nobody is signed in
	SignInURL     string
	AccountURL    string
	PlaygroundURL string // empty: not shown
	DiscoveryURL  string // empty: not shown
}

// Invalid reports whether the typed values are wrong.
func (p SignIn) Invalid() bool { return p.Problem == MissingField || p.Problem == BadCredentials }

// Invalid reports whether the typed code is wrong.
func (p DeviceCode) Invalid() bool { return p.Problem != NoProblem && p.Problem != TooManyAttempts }
