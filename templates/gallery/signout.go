package gallery

import "github.com/authzd/authzd/templates"

func signOutPages() map[string]templates.Page {
	return map[string]templates.Page{
		"logout":                 templates.LogoutConfirm{Client: &someClient, Action: "/logout", Hidden: someHidden, User: alice, CancelURL: "/account"},
		"logout, unknown client": templates.LogoutConfirm{Client: &stranger, Action: "/logout", Hidden: someHidden, User: alice},
		"logout, explained": templates.LogoutConfirm{Client: &someClient, Action: "/logout", Hidden: someHidden, User: alice, CancelURL: "/account",
			Detail: &templates.ErrorDetail{Explanation: "It is not registered.", Parameter: "post_logout_redirect_uri", Received: "https://app.example.com/by",
				Registered: []string{"https://app.example.com/bye"}, Nearest: "https://app.example.com/bye", Fix: "clients:"}},
		"logged out":             templates.LoggedOut{Client: &someClient, BackURL: "com.example.app:/signed-out", User: &alice, Apps: []string{"Orders", "Budget Planner"}},
		"logged out, everywhere": templates.LoggedOut{Everywhere: true, User: &alice},
		"logged out, frames": templates.LoggedOut{Client: &someClient, BackURL: "https://app.example.com/bye?state=s&x=y", Return: true,
			Frames: []string{"https://app.example.com/out?iss=i&sid=s", "https://shop.example.org/out", "http://localhost:4200/out", "https://app.example.com/two"}},
		"logged out, unknown client": templates.LoggedOut{Client: &stranger, BackURL: "https://app.example.net/bye"},
	}
}
