package gallery

import "github.com/authzd/authzd/templates"

func passwordPages() map[string]templates.Page {
	refused := templates.NewPassword{Least: 15, Refused: "too_short"}
	return map[string]templates.Page{
		"change password":            templates.ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, EndOthers: true, NewPassword: templates.NewPassword{Least: 15}},
		"change password, wrong":     templates.ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, Problem: templates.WrongPassword, NewPassword: templates.NewPassword{Least: 15}},
		"change password, refused":   templates.ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, EndOthers: true, NewPassword: refused},
		"change password, throttled": templates.ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, Problem: templates.TooManyAttempts, NewPassword: templates.NewPassword{Least: 8}},
		"first password":             templates.ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, NewPassword: templates.NewPassword{Least: 15}},
		"password changed":           templates.Notice{What: templates.PasswordChanged, NextURL: "/account"},
	}
}
