package templates

import (
	"errors"
	"html/template"
	"time"
)

// Page is the data of one page: SignIn, SelectAccount, Consent, LogoutConfirm, LoggedOut, Account,
// Error, FormPost or Home.
//
// In all of them, UILocales is the ui_locales parameter as the client sent it (OpenID Connect Core
// section 3.1.2.1), Action the URL that the form posts to, and Hidden its hidden fields. URLs
// whose comment says nothing else are the server's own.
type Page interface {
	meta() meta
}

// meta is what Render must know about a page beside its content.
type meta struct {
	template    string // file in html, without its extension
	uiLocales   string
	script      string // inline script, to be allowed by its hash
	imageOrigin string // foreign origin that one image comes from
	err         error  // why this page must not be shown
}

var pageNames = []string{
	"sign-in", "select-account", "consent", "logout-confirm", "logged-out", "account", "error",
	"form-post", "home",
}

// Client is the application that a page speaks about. All of it was written by others and is
// treated so.
type Client struct {
	Name        string
	RedirectURI string // its host, or its private-use scheme, is shown
	LogoURI     string // https, or http on loopback; others are not shown
	PolicyURI   string // http or https; others are not shown
	TosURI      string // http or https; others are not shown
}

// User is the person who is signed in, as shown to that person.
type User struct {
	Name     string // may be empty
	Username string
}

// SignIn asks for a password, or leads to a connector.
//
// Inputs username, password, remember-me; button login-submit; links connector-{id}.
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

	// User, if not nil, must sign in again (prompt=login, max_age): the username can't be changed,
	// and OtherAccountURL leads to this page without a user.
	User            *User
	OtherAccountURL string
}

// Connector is one upstream that the user may sign in with.
type Connector struct {
	ID   string
	Type string // "google" gets Google's mark
	Name string
	URL  string
}

// Problem says why the last attempt to sign in failed.
type Problem string

const (
	NoProblem       Problem = ""
	MissingField    Problem = "missing_field"     // no username or no password
	BadCredentials  Problem = "bad_credentials"   // also for unknown and disabled users
	TooManyAttempts Problem = "too_many_attempts" // wait and try again
	UpstreamRefused Problem = "upstream_refused"  // cancelled there, or not allowed in here
	UpstreamFailed  Problem = "upstream_failed"   // the connector did not answer properly
	ConfirmToLink   Problem = "confirm_to_link"   // an account with this address exists: sign in to it first
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
}

// Scope is one scope value. The standard ones, and groups, are explained in the user's language;
// others are shown by name with the resource that they belong to.
type Scope struct {
	Name     string
	Resource string // the name of the resource; empty for standard scopes
}

// LogoutConfirm asks whether to sign out. Button logout-confirm.
type LogoutConfirm struct {
	UILocales string
	Client    *Client // who asks; nil if unknown
	Action    string
	Hidden    map[string]string
	User      User
	CancelURL string // empty: no way back is offered
}

// LoggedOut says "You are logged out".
type LoggedOut struct {
	UILocales string
	Client    *Client // nil: no link back
	BackURL   string  // of the client: http, https or a private-use scheme
}

// Account shows users what the server knows and lets them take access back.
//
// Buttons revoke-{client_id} send revoke={client_id} to Action; button logout posts to LogoutAction.
type Account struct {
	UILocales    string
	User         User
	Claims       []Claim
	Connector    string // the name of the connector signed in with; empty: password
	SignedInAt   time.Time
	Apps         []App
	Action       string
	LogoutAction string
	Hidden       map[string]string
}

// Claim is one profile value under its name in OpenID Connect Core section 5.1.
type Claim struct {
	Name     string
	Value    string
	Verified bool
}

// App is a client that has access to the account.
type App struct {
	ClientID  string
	Name      string
	Scopes    []Scope
	GrantedAt time.Time
}

// Error explains why a request went no further. Its heading is "Error {status}: {code}".
type Error struct {
	UILocales string
	Code      string
	RequestID string
	Client    *Client      // nil: no link back
	BackURL   string       // of the client: http, https or a private-use scheme
	Detail    *ErrorDetail // development only: nil shows one plain sentence
}

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

// submitScript submits the form even if a parameter is named "submit".
const submitScript = "HTMLFormElement.prototype.submit.call(document.forms[0])"

func (p SignIn) meta() meta        { return meta{template: "sign-in", uiLocales: p.UILocales} }
func (p SelectAccount) meta() meta { return meta{template: "select-account", uiLocales: p.UILocales} }
func (p LogoutConfirm) meta() meta { return meta{template: "logout-confirm", uiLocales: p.UILocales} }
func (p LoggedOut) meta() meta     { return meta{template: "logged-out", uiLocales: p.UILocales} }
func (p Account) meta() meta       { return meta{template: "account", uiLocales: p.UILocales} }
func (p Error) meta() meta         { return meta{template: "error", uiLocales: p.UILocales} }
func (p Home) meta() meta          { return meta{template: "home", uiLocales: p.UILocales} }

func (p Consent) meta() meta {
	return meta{template: "consent", uiLocales: p.UILocales, imageOrigin: imageOrigin(p.Client.LogoURI)}
}

func (p FormPost) meta() meta {
	m := meta{template: "form-post", uiLocales: p.UILocales, script: submitScript}
	if bearsScript(p.Action) {
		m.err = errors.New("the form's action bears a script")
	}
	return m
}

// SafeAction is Action for the template, which would replace private-use schemes.
func (p FormPost) SafeAction() template.URL { return template.URL(p.Action) }

// Script is the script whose hash the policy names.
func (p FormPost) Script() template.JS { return submitScript }
