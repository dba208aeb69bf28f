package gallery

import (
	"time"

	"github.com/authzd/authzd/templates"
)

func accountPages() map[string]templates.Page {
	return map[string]templates.Page{
		"account": templates.Account{User: alice, Claims: []templates.Claim{{Name: "email", Value: "alice@example.com", Verified: true}, {Name: "shoe_size", Value: "37"}},
			Identities:      []templates.LinkedIdentity{{ID: "i-1_a", Connector: "Google", Email: "alice@example.com", LinkedAt: someTime}, {ID: "i-2", Connector: "Corp", LinkedAt: someTime, LastWayIn: true}},
			IdentityChanges: []templates.IdentityChange{{Connector: "Google", At: someTime, Linked: true}, {Connector: "Old", At: someTime, ByOperator: true}},
			Connector:       "Google", SignedInAt: someTime, Action: "/account", LogoutAction: "/logout", Hidden: someHidden,
			Sessions: []templates.Session{{StartedAt: someTime, LastActiveAt: someTime.Add(time.Hour), Current: true, Browser: "Chrome", System: "Windows", Address: "203.0.113.7"},
				{ID: "a-sid_1", StartedAt: someTime, LastActiveAt: someTime, System: "iPhone"}, {ID: "a-sid_2", StartedAt: someTime, LastActiveAt: someTime}},
			Zone:       time.FixedZone("CET", 3600),
			Ways:       []templates.Way{{Kind: templates.WayPassword, Count: 1, URL: "/account/password"}, {Kind: templates.WayPasskeys, Count: 2, URL: "/account/passkeys"}, {Kind: templates.WayTOTP, Count: 0, URL: "/account/totp"}, {Kind: templates.WayRecoveryCodes, Count: 1, URL: "/account/codes"}, {Kind: templates.WayRemembered, Count: 3, URL: ""}},
			ProfileURL: "/account/profile", EmailURL: "/account/email", ExportURL: "/account/export", DeleteURL: "/account/delete",
			Links: []templates.Connector{{ID: "github", Name: "GitHub", URL: "/account/link/github"}},
			Apps: []templates.App{{ClientID: "spa", Name: "Orders", Scopes: someScopes, GrantedAt: someTime, OpenURL: "https://app.example.com/login?iss=i"},
				{ClientID: "cli", Name: "Tool", GrantedAt: someTime, OpenURL: "javascript:alert(1)"},
				{ClientID: "portal", Name: "Portal", OpenURL: "https://portal.example.com/login?iss=i"}}},
	}
}
