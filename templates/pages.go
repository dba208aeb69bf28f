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
// In all of them, UILocales is the ui_locales parameter as the client sent it (OpenID Connect Core
// section 3.1.2.1), Action the URL that the form posts to, and Hidden its hidden fields. URLs
// whose comment says nothing else are the server's own.
type Page interface {
	meta() meta
}

// Client is the application that a page speaks about. All of it was written by others and is
// treated so.
type Client struct {
	Name        string
	RedirectURI string // its host, or its private-use scheme, is shown
	LogoURI     string // https, or http on loopback; others are not shown
	PolicyURI   string // http or https; others are not shown
	TosURI      string // http or https; others are not shown

	// Unknown tells that the operator has not named the app: it registered itself, and its name and
	// logo could be anybody's. PublishedBy is then the host that vouches for it: that of its client ID
	// metadata document; empty if there is none.
	Unknown     bool
	PublishedBy string
	Nameless    bool // it has not said what it is called: Name is its client_id
}

// OnDevice reports whether the user is sent back to an app on this device, and not to the web: any of
// the apps there could be the one that asks (RFC 8252 section 8.6).
func (c Client) OnDevice() bool {
	if c.RedirectURI == "" {
		return false
	}
	u := webURL(c.RedirectURI)
	return u == nil || weburl.IsLoopback(u.Hostname())
}

// Logo is the URL of the logo, or "" if there is none to be shown.
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
	Client     *Client // nil: signing in to this server's own pages
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
	Detail          *ErrorDetail // development only: what the request asked for in vain
}

// Connector is one upstream that the user may sign in with.
type Connector struct {
	ID   string
	Type string // "google" gets Google's mark
	Name string
	URL  string
}

// Reason says what the app demands of a sign-in.
type Reason string

const (
	NoReason    Reason = ""       // a User is asked to confirm that it's them
	FreshLogin  Reason = "fresh"  // prompt=login or max_age: sign in again
	StrongLogin Reason = "strong" // acr_values, an essential acr: sign in in another way
)

// Problem says why the last attempt failed.
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

// SelectAccount asks whether to go on as the signed-in user (prompt=select_account).
//
// Buttons account-continue and account-other send account=continue or account=other.
type SelectAccount struct {
	UILocales string
	Client    *Client
	Action    string
	Hidden    map[string]string
	User      User
}

// Link asks whether an account at a connector is that of the user, to sign in with it from then on. It names
// both accounts: the person who sees it may not know one of them.
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

// Identity is an account at a connector, as it describes itself: all but the connector may be empty, or a
// lie.
type Identity struct {
	Connector string // its name
	Name      string
	Username  string
	Email     string
}

// Names are all that the identity says of itself, each once.
func (i Identity) Names() []string {
	var names []string
	for _, name := range []string{i.Name, i.Email, i.Username} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Consent asks whether the client may have what it asks for.
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
	Detail          *ErrorDetail // development only: what the request asked for in vain
}

// AuthorizationDetail is one object of authorization_details (RFC 9396 section 2).
type AuthorizationDetail struct {
	Type     string // what it is, in the operator's words
	Resource string // the name of the resource; empty if there is none
	Fields   []DetailField
}

// DetailField is one member of an authorization detail. A Value of more than MaxDetailValue
// characters is cut, and the page says so.
type DetailField struct {
	Label string
	Value string
}

// MaxDetailValue is how many characters of a value are shown. Nobody should be asked to agree to
// what the page hides, so a request with longer values is better refused.
const MaxDetailValue = 500

// Scope is one scope value. The standard ones, and groups, are explained in the user's language;
// others are shown by name with the resource that they belong to.
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

// DeviceConfirm asks whether the client on the device may have what it asks for, and whether the
// device is at hand: the code may have been sent by somebody else (RFC 8628 section 5.4).
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
	Detail          *ErrorDetail // development only: what the request asked for in vain
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
	Client    *Client // who asks; nil if unknown
	Action    string
	Hidden    map[string]string
	User      User
	CancelURL string       // empty: no way back is offered
	Detail    *ErrorDetail // development only: why the client is not believed
}

// LoggedOut says "You’re signed out", and has other apps log the user out in their frames (OpenID
// Connect Front-Channel Logout 1.0 section 2).
type LoggedOut struct {
	UILocales string
	Client    *Client // nil: no link back; for one that is Unknown the page says where it leads
	BackURL   string  // of the client: http, https or a private-use scheme

	// Frames are the apps' logout URLs with their iss and sid: https, or http on loopback; others are
	// not loaded.
	Frames []string
	// Return goes on to BackURL by itself when the frames have loaded, or after some seconds if they
	// have not: BackURL is the post_logout_redirect_uri.
	Return bool
}

// Account shows users what the server knows and lets them take access back.
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
	Sessions        []Session // without any, signing out everywhere is not offered
	MoreSessionsURL string    // of the next page of them; empty: these are the last
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

// IdentityChange is one that was linked or unlinked.
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
	ID           string // is no secret
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

// Error explains why a request went no further. The element error-code has the status and the code.
type Error struct {
	UILocales string
	Code      string
	Reason    string       // what the sentence is about, where the code says too little; empty: the code
	Client    *Client      // nil: no link back
	BackURL   string       // of the client: http, https or a private-use scheme
	Answer    *Answer      // in place of BackURL: what Client is told by the link
	AgainURL  string       // of ours, where the sign-in begins again; empty: no link
	Detail    *ErrorDetail // development only: nil shows one plain sentence
}

// Answer is an authorization response that waits for a click, because nobody vouches for its client. The
// caller must have matched the URL against the client's registered redirect URIs.
type Answer struct {
	URL    string
	Fields map[string]string // to be posted there; nil: they are part of the URL
}

// SafeURL is URL for the template, which would replace private-use schemes.
func (a Answer) SafeURL() template.URL { return template.URL(a.URL) }

// Text names the sentence that the page says.
func (p Error) Text() string { return cmp.Or(p.Reason, p.Code) }

// ErrorDetail is what a developer must know to mend a request. It is not translated.
type ErrorDetail struct {
	Explanation string
	Parameter   string   // the parameter that was wrong
	Received    string   // its value
	Registered  []string // what would have been accepted
	Nearest     string   // of these the nearest; the difference is marked
	Fix         string   // the configuration or the command that mends it
}

// FormPost hands an authorization response to the client by a form that submits itself
// (OAuth 2.0 Form Post Response Mode). The caller must have matched Action against the client's
// registered redirect URIs: it is used as it is, whatever its scheme, except that script-bearing
// schemes are refused.
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

// Invalid reports whether the problem lies in what was typed.
func (p SignIn) Invalid() bool { return p.Problem == MissingField || p.Problem == BadCredentials }

// Invalid reports whether the problem lies in what was typed.
func (p DeviceCode) Invalid() bool { return p.Problem != NoProblem && p.Problem != TooManyAttempts }
