package templates

import "time"

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

// App is a client that has access to the account.
type App struct {
	ClientID  string
	Name      string
	Scopes    []Scope
	GrantedAt time.Time
	OpenURL   string // starts a login at the client (initiate_login_uri): https, or http on loopback; empty: no link
}
