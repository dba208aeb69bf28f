package gallery

import "github.com/authzd/authzd/templates"

func signInPages() map[string]templates.Page {
	connectors := []templates.Connector{
		{ID: "google", Type: "google", Name: "Google", URL: "/login/google"},
		{ID: "corp", Type: "oidc", Name: "Corp", URL: "/login/corp"},
	}
	return map[string]templates.Page{
		"sign in":            templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true, Connectors: connectors},
		"sign in, all links": templates.SignIn{Action: "/login", Hidden: someHidden, Password: true, SignUpURL: "/signup", ForgotURL: "/reset"},
		"sign in, failed": templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			Username: "alice", Remember: true, Connectors: connectors, Problem: templates.BadCredentials},
		"sign in again": templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			User: &alice, OtherAccountURL: "/login?other"},
		"sign in, unknown client": templates.SignIn{Client: &unknownClient, Action: "/login", Hidden: someHidden, Password: true},
		"sign in upstream":        templates.SignIn{Connectors: connectors, Problem: templates.UpstreamFailed},
		"link": templates.Link{Client: &someClient, Action: "/link", Hidden: someHidden, User: alice,
			Identity: templates.Identity{Connector: "Corp", Name: "Alice at Corp", Username: "alice.l", Email: "alice@example.com"}},
		"link, nameless": templates.Link{Action: "/link", Hidden: someHidden, User: alice, Identity: templates.Identity{Connector: "Corp"}},
		"select account": templates.SelectAccount{Client: &someClient, Action: "/select", Hidden: someHidden, Accounts: []templates.SignedInAccount{{User: alice, ID: "u1", Current: true}, {User: templates.User{Username: "bob"}, ID: "u2"}}},
		"signed in":      templates.SignedIn{User: alice, AccountURL: "/account", OtherAccountURL: "/login?other", LogoutAction: "/logout", Hidden: someHidden},
		"sign in, step up": templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true,
			User: &alice, OtherAccountURL: "/login?other", Reason: templates.StrongLogin},
	}
}
