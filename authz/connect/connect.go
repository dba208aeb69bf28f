// Package connect signs users in at an upstream identity provider: Google, or any OpenID Connect provider. It
// stores nothing. In memory it keeps short-lived copies of the provider's metadata and keys.
//
//	Begin:   discovery (cached) -> authorization URL with state, nonce, PKCE
//	            |                      Attempt -> the caller seals it into this browser's cookie
//	         browser -> upstream -> browser
//	            |
//	Finish:  1 callback   state and iss belong to the Attempt          callback.go
//	         2 discovery  cached                                       discovery.go
//	         3 exchange   the code for tokens, with the verifier       openid.go
//	         4 ID token   signature (cached JWKS), iss, aud, azp,      idtoken.go, jwks.go
//	                      times, nonce, at_hash, auth_time
//	         5 userinfo   only for an e-mail or name that is missing   openid.go
//	         6 identity   clean claims only; Google's own rules        claims.go, google.go
//
// Only (Issuer, Subject) identify the user. No text of the upstream reaches a client: an Error has our own
// text for the client, and the cause for the log.
package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// The values of Config.Type.
const (
	TypeGoogle = "google"
	TypeOIDC   = "oidc"
)

// The values of Config.EmailVerified: whether the upstream's addresses count as verified.
const (
	EmailByClaim = "claim" // if its email_verified says so
	EmailAlways  = "always"
	EmailNever   = "never"
)

// Config describes one upstream.
type Config struct {
	ID   string // names the connector in URLs and records
	Type string // TypeGoogle or TypeOIDC
	Name string // shown on the login page; empty: "Google", or the ID

	// Issuer is the upstream's issuer identifier, with the exact spelling of its discovery document and ID
	// tokens. It is https, or http on loopback. Empty for Google: https://accounts.google.com.
	Issuer       string
	ClientID     string
	ClientSecret string   // TypeOIDC: empty for a public client
	RedirectURI  string   // ours, as registered upstream
	Scopes       []string // empty: openid, email, profile; openid is always included

	// HostedDomains are the Google Workspace domains whose users may sign in. Empty: everyone.
	// TypeGoogle only.
	HostedDomains []string

	// EmailAuthoritative says that the upstream owns the e-mail addresses that it calls verified, so that
	// they may link a local account. TypeOIDC only: for Google it is known.
	EmailAuthoritative bool

	// EmailVerified is EmailByClaim, EmailAlways or EmailNever. Empty: EmailByClaim.
	EmailVerified string

	// TrustFreshLogin takes each sign-in through the upstream as a fresh one if the upstream proves no time:
	// the user then counts as having signed in when they came back.
	TrustFreshLogin bool

	// HTTPClient makes the requests to the upstream. NewHTTPClient makes one that trusts a private CA. New
	// works on a copy that has a time limit and follows no redirect to another host. nil: NewHTTPClient(nil).
	HTTPClient *http.Client
}

// Connector is one upstream. Its methods are safe for concurrent use, and their errors are *Error.
type Connector interface {
	ID() string
	Type() string
	Name() string
	Issuer() string // Config.Issuer, completed

	// Begin returns the URL to send the browser to, and the Attempt. The caller must keep the Attempt, bound
	// to this browser and secret, until Finish. Begin may wait for discovery, at most 10 s.
	Begin(ctx context.Context, p BeginParams) (authURL string, a Attempt, err error)

	// Finish checks the parameters of the callback against the Attempt and returns the Identity. It takes at
	// most 10 s. Finish an Attempt only once: the caller forgets it, unless the error's Code is
	// InvalidRequest.
	Finish(ctx context.Context, callback url.Values, a Attempt) (Identity, error)
}

// BeginParams shape the upstream's sign-in page. The zero value is a plain sign-in. Hints come from outside:
// one that is longer than 255 bytes or has control characters is left out.
type BeginParams struct {
	LoginHint     string // login_hint: the probable user
	UILocales     string // ui_locales: space-separated BCP 47 tags
	SelectAccount bool   // prompt=select_account: the user wants to switch accounts

	// MaxAge is the greatest age of the user's login upstream, in seconds; 0 makes the user sign in again;
	// nil: any age. auth_time proves it (OpenID Connect Core section 3.1.2.1). If the upstream does not prove
	// it, Finish fails with LoginRequired, unless Config.TrustFreshLogin. Google makes nobody sign in again,
	// but reports when they did.
	MaxAge *int
	// AcceptUnproven lets Finish return an Identity that is Unproven instead.
	AcceptUnproven bool
}

// Attempt is what the caller keeps between Begin and Finish.
type Attempt struct {
	Connector string `json:"c"`
	State     string `json:"s"`
	Nonce     string `json:"n"`
	Verifier  string `json:"v"` // PKCE code_verifier (RFC 7636)

	// Set with BeginParams.MaxAge.
	MaxAge  *int      `json:"m,omitempty"` // seconds
	Accept  bool      `json:"u,omitempty"` // BeginParams.AcceptUnproven
	BegunAt time.Time `json:"t,omitzero"`
}

// Identity is the user who signed in. Only Issuer and Subject are always set, and only they identify the
// user. Every text is valid UTF-8 without control characters; a claim that is not, or that is too long, is
// left out.
type Identity struct {
	Connector string
	Issuer    string // Config.Issuer, also if the token has another spelling
	Subject   string // at most 255 bytes

	Email              string // a bare address
	EmailVerified      bool   // the upstream says that the user controls Email
	EmailAuthoritative bool   // the upstream also owns the address; implies EmailVerified

	Name              string
	GivenName         string
	FamilyName        string
	PreferredUsername string
	Picture           string // https URL
	Locale            string
	HostedDomain      string // Google Workspace domain, lower case; empty: a consumer account

	AuthTime time.Time // when the user signed in upstream, proved or trusted; zero: unknown
	AMR      []string
	ACR      string

	// Unproven says that the upstream has not proved a login that is new enough (BeginParams.AcceptUnproven).
	Unproven bool
}

// ErrUnproven says that an upstream does not prove what BeginParams.MaxAge asks for.
var ErrUnproven = &Error{Code: LoginRequired, Reason: "the sign-in service does not prove a login that is new enough"}

// The values of Error.Code.
const (
	// AccessDenied says that the user refused, or is not in a hosted domain.
	AccessDenied = "access_denied"
	// TemporarilyUnavailable says that the upstream could not be reached, failed, or gave an unusable answer.
	TemporarilyUnavailable = "temporarily_unavailable"
	// ServerError says that the upstream's ID token must not be trusted.
	ServerError = "server_error"
	// LoginRequired says that the login upstream is older than BeginParams.MaxAge, or the upstream says so.
	LoginRequired = "login_required"
	// The upstream first needs something from the user.
	InteractionRequired      = "interaction_required"
	ConsentRequired          = "consent_required"
	AccountSelectionRequired = "account_selection_required"
	// InvalidRequest says that the callback does not belong to the Attempt. It may be forged, so the caller
	// shows its own page: nothing is sent to a client, and the Attempt stays alive.
	InvalidRequest = "invalid_request"
)

// Error is a failed login.
type Error struct {
	Code   string // an OAuth error code, one of those above
	Reason string // our own words, safe to show
	Err    error  // the cause, for the log only; holds no token, code or secret
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Code, e.Reason, e.Err) }

func (e *Error) Unwrap() error { return e.Err }
