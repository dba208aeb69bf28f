package gallery

import "github.com/authzd/authzd/templates"

func factorPages() map[string]templates.Page {
	base := templates.FactorPage{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, AnotherURL: "/login/factor?way=choose"}
	wrong, wrongCode := base, base
	wrong.Problem, wrongCode.Problem = templates.WrongOTP, templates.WrongRecoveryCode
	enrol := templates.EnrolTOTP{
		Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, Secret: "J5QX 6ZTM KN2W 4RCD P7EA HV3U",
		QRPath: "M4 4h7v1h-7z", QRSize: 45, Wanted: true, CancelURL: "/account",
	}
	enrolWrong := enrol
	enrolWrong.Problem = templates.WrongOTP
	return map[string]templates.Page{
		"otp": templates.OTP{FactorPage: base, RememberDevice: true}, "otp wrong": templates.OTP{FactorPage: wrong}, "otp locked": templates.OTP{FactorPage: base, Locked: true},
		"recovery code": templates.RecoveryCode{FactorPage: base}, "recovery code wrong": templates.RecoveryCode{FactorPage: wrongCode},
		"another way": templates.AnotherWay{FactorPage: base, PasskeyURL: "/login/factor?way=passkey", TOTPURL: "/login/factor?way=totp", RecoveryURL: "/login/factor?way=recovery"},
		"enrol totp":  enrol, "enrol totp wrong": enrolWrong,
		"factors": templates.Factors{
			User: alice, Action: "/account/factors", Hidden: someHidden, App: true, AppSince: someTime, Codes: 7, AppURL: "/account/factors/app", AccountURL: "/account",
		},
		"factors, none":     templates.Factors{User: alice, Action: "/account/factors", AppURL: "/account/factors/app", AccountURL: "/account"},
		"factors, demanded": templates.Factors{User: alice, Action: "/account/factors", Hidden: someHidden, App: true, Locked: true, Demanded: true, AppSince: someTime, AppURL: "/account/factors/app", AccountURL: "/account"},
		"recovery codes":    templates.RecoveryCodes{User: alice, Codes: []string{"k4tm-9pwx7-rvd2", "m8yc-w6jaz-3znf"}, ContinueURL: "/account"},
	}
}
