package templates

import "time"

// Account shows users what the server knows, and lets them withdraw access.
//
// Links change-profile, change-email and change-{kind of way} lead to the pages of single settings, link-{connector
// id} begins to link an account, export and delete-account end it all; buttons revoke-{client_id} send revoke={client_id} to Action; links open-{client_id}; buttons
// end-{session id} send end={session id} to Action; button
// sign-out-others sends sign-out-others=yes to Action; button sign-out-everywhere, below a disclosure that asks first, sends sign-out-everywhere=yes to Action;
// buttons unlink-{identity id} send unlink={identity id} to Action; button logout posts to LogoutAction; link
// more-sessions leads to the next page of sessions.
type Account struct {
	UILocales       string
	User            User
	Claims          []Claim
	Zone            *time.Location // of the times; nil: UTC
	Ways            []Way          // to sign in
	Connector       string         // the name of the connector signed in with; empty: password
	SignedInAt      time.Time
	Sessions        []Session // without any, the page has no "sign out everywhere"
	MoreSessionsURL string    // of the next page of sessions; empty: there is none
	Identities      []LinkedIdentity
	IdentityChanges []IdentityChange // the newest first
	Links           []Connector      // that an account can still be linked at, with the URL that begins it
	Apps            []App
	Action          string
	LogoutAction    string
	Hidden          map[string]string

	// Pages of single settings; those that are empty are not offered.
	ProfileURL, EmailURL, ExportURL, DeleteURL string
}

// Way is one kind of way to sign in, or one kind of second factor.
type Way struct {
	Kind  WayKind
	Count int    // how many the user has
	URL   string // the page that changes it; empty: there is none
}

// WayKind names the texts account.way.KIND, account.way.KIND.has and account.way.KIND.none.
type WayKind string

// The kinds of ways.
const (
	WayPassword      WayKind = "password"
	WayPasskeys      WayKind = "passkeys"
	WayTOTP          WayKind = "totp"
	WayRecoveryCodes WayKind = "recovery_codes"
	WayRemembered    WayKind = "remembered" // devices that are not asked for a second factor
)

// Icon names the drawing of the way.
func (w Way) Icon() string {
	return map[WayKind]string{
		WayPassword: "lock", WayPasskeys: "passkey", WayTOTP: "phone", WayRecoveryCodes: "list", WayRemembered: "laptop",
	}[w.Kind]
}

func (p Account) meta() meta { return meta{template: "account", uiLocales: p.UILocales} }

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

	// As the browser called itself when the user signed in; each may be empty.
	Browser string // Chrome, Safari, …
	System  string // Windows, iPhone, …
	Address string // IP address
}

// Icon names the drawing of the device.
func (s Session) Icon() string {
	switch s.System {
	case "iPhone", "Android", "iOS":
		return "phone"
	case "":
		return "screen"
	}
	return "laptop"
}

// App is a client that has access to the account.
type App struct {
	ClientID  string
	Name      string
	Scopes    []Scope
	GrantedAt time.Time
	OpenURL   string // starts a login at the client (initiate_login_uri): https, or http on loopback; empty: no link
}
