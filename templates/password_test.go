package templates

func passwordPages() map[string]Page {
	refused := NewPassword{Least: 15, Refused: "too_short"}
	return map[string]Page{
		"change password":            ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, EndOthers: true, NewPassword: NewPassword{Least: 15}},
		"change password, wrong":     ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, Problem: WrongPassword, NewPassword: NewPassword{Least: 15}},
		"change password, refused":   ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, EndOthers: true, NewPassword: refused},
		"change password, throttled": ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, HasPassword: true, Problem: TooManyAttempts, NewPassword: NewPassword{Least: 8}},
		"first password":             ChangePassword{Action: "/account/password", Hidden: someHidden, AccountURL: "/account", User: alice, NewPassword: NewPassword{Least: 15}},
		"password changed":           Notice{What: PasswordChanged, NextURL: "/account"},
	}
}
