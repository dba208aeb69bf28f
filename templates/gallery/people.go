package gallery

import (
	"time"

	"github.com/authzd/authzd/templates"
)

func peoplePages() map[string]templates.Page {
	elsewhere := &templates.Elsewhere{Address: "203.0.113.7", At: time.Date(2026, 11, 29, 9, 50, 0, 0, time.UTC)}
	const address = "alice@example.com"
	password := templates.NewPassword{Least: 15}
	pages := map[string]templates.Page{
		"sign up": templates.SignUp{Client: &someClient, Action: "/signup", Hidden: someHidden, LoginURL: "/login", NewPassword: password},
		"sign up, failed": templates.SignUp{Action: "/signup", Hidden: someHidden, LoginURL: "/login", Name: "Alice Liddell", Email: "alice@example.org",
			Domains: []string{"example.com", "bücher.example"}, Problem: templates.DomainNotAllowed, NewPassword: password},
		"sign up, bad name":  templates.SignUp{Action: "/signup", Hidden: someHidden, LoginURL: "/login", Name: "Alice", Email: address, Problem: templates.InvalidName, NewPassword: password},
		"check mail":         templates.CheckMail{Client: &someClient, Action: "/verify", Hidden: someHidden, Email: address, OtherURL: "/signup"},
		"check mail, failed": templates.CheckMail{Action: "/verify", Hidden: someHidden, Email: address, Problem: templates.WrongCode},
		"confirm address":    templates.ConfirmAddress{Action: "/verify", Hidden: someHidden, Email: address, Name: "Alice Liddell"},
		"confirm address, elsewhere": templates.ConfirmAddress{Action: "/verify", Hidden: someHidden, Email: address, Name: "Alice Liddell", Elsewhere: elsewhere,
			NewPassword: password},
		"forgot password":         templates.ForgotPassword{Client: &someClient, Action: "/reset", Hidden: someHidden, LoginURL: "/login"},
		"forgot password, failed": templates.ForgotPassword{Action: "/reset", Hidden: someHidden, LoginURL: "/login", Email: "alice", Problem: templates.InvalidEmail},
		"set password":            templates.SetPassword{Client: &someClient, Action: "/reset", Hidden: someHidden, Email: address, NewPassword: password},
		"set password, invited":   templates.SetPassword{Action: "/signup", Hidden: someHidden, Email: address, Invited: true, Problem: templates.MissingDetail, NewPassword: password},
		"link expired":            templates.LinkExpired{Client: &someClient, AgainURL: "/reset", LoginURL: "/login"},
		"edit profile": templates.EditProfile{Action: "/account/profile", Hidden: someHidden, AccountURL: "/account", User: alice, Name: "Alice Liddell", Username: "alice",
			Locale: "en-GB", Zoneinfo: "Europe/London"},
		"edit profile, fixed":      templates.EditProfile{Action: "/account/profile", Hidden: someHidden, AccountURL: "/account", User: alice, Username: "alice", UsernameFixed: true},
		"edit profile, failed":     templates.EditProfile{Action: "/account/profile", Hidden: someHidden, AccountURL: "/account", User: alice, Username: "admin", Problem: templates.ReservedUsername},
		"change email":             templates.ChangeEmail{Action: "/account/email", Hidden: someHidden, AccountURL: "/account", User: alice, Email: address, Verified: true},
		"change email, failed":     templates.ChangeEmail{Action: "/account/email", Hidden: someHidden, AccountURL: "/account", User: alice, New: "x", Problem: templates.InvalidEmail},
		"confirm email":            templates.ConfirmEmail{Action: "/account/email", Hidden: someHidden, User: alice, Email: "alice@example.org"},
		"end sign-in":              templates.EndSignIn{Action: "/not-me", Hidden: someHidden, Browser: "Chrome", System: "Windows", Address: "203.0.113.7", At: elsewhere.At},
		"end sign-in of something": templates.EndSignIn{Action: "/not-me", Hidden: someHidden, At: elsewhere.At},
		"stop change":              templates.StopChange{Action: "/account/email", Hidden: someHidden, Email: address},
		"delete account":           templates.DeleteAccount{Action: "/account/delete", Hidden: someHidden, AccountURL: "/account", ExportURL: "/account/export", User: alice},
	}
	for _, what := range []templates.NoticeOf{templates.PasswordSaved, templates.AccountReady, templates.SignUpDeclined, templates.AccountGone, templates.AddressSaved, templates.ChangeStopped, templates.SignInEnded} {
		pages["notice "+string(what)] = templates.Notice{What: what, Email: address, NextURL: "/login"}
	}
	return pages
}
