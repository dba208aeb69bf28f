package gallery

import "github.com/authzd/authzd/templates"

func homePages() map[string]templates.Page {
	return map[string]templates.Page{
		"home":            templates.Home{Issuer: "https://id.example.com", SignInURL: "/login", PlaygroundURL: "/playground", DiscoveryURL: "/.well-known/openid-configuration"},
		"home, signed in": templates.Home{Issuer: "https://id.example.com", User: &alice, AccountURL: "/account"},
	}
}
