package gallery

import "github.com/authzd/authzd/templates"

func factorPages() map[string]templates.Page {
	base := templates.FactorPage{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, AnotherURL: "/login/factor?way=choose"}
	wrong, wrongCode := base, base
	wrong.Problem, wrongCode.Problem = templates.WrongOTP, templates.WrongRecoveryCode
	enrol := templates.EnrolTOTP{
		Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, Secret: "J5QX 6ZTM KN2W 4RCD P7EA HV3U",
		QRPath: someQR, QRSize: 49, Wanted: true,
	}
	enrolWrong := enrol
	enrolChosen := enrol
	enrolChosen.Client, enrolChosen.Wanted, enrolChosen.CancelURL = nil, false, "/account/factors"
	enrolWrong.Problem = templates.WrongOTP
	return map[string]templates.Page{
		"otp": templates.OTP{FactorPage: base, RememberDevice: true}, "otp wrong": templates.OTP{FactorPage: wrong}, "otp locked": templates.OTP{FactorPage: base, Locked: true},
		"recovery code": templates.RecoveryCode{FactorPage: base}, "recovery code wrong": templates.RecoveryCode{FactorPage: wrongCode},
		"another way": templates.AnotherWay{FactorPage: base, PasskeyURL: "/login/factor?way=passkey", TOTPURL: "/login/factor?way=totp", RecoveryURL: "/login/factor?way=recovery"},
		"enrol totp":  enrol, "enrol totp wrong": enrolWrong, "enrol totp by choice": enrolChosen,
		"factors": templates.Factors{
			User: alice, Action: "/account/factors", Hidden: someHidden, App: true, AppSince: someTime, Codes: 7, AppURL: "/account/factors/app", AccountURL: "/account",
		},
		"factors, none":     templates.Factors{User: alice, Action: "/account/factors", AppURL: "/account/factors/app", AccountURL: "/account"},
		"factors, demanded": templates.Factors{User: alice, Action: "/account/factors", Hidden: someHidden, App: true, Locked: true, Demanded: true, AppSince: someTime, AppURL: "/account/factors/app", AccountURL: "/account"},
		"recovery codes": templates.RecoveryCodes{User: alice, Codes: []string{
			"k4tm-9pwx7-rvd2", "m8yc-w6jaz-3znf", "2hdq-x7k4e-p9tb", "w3na-5rjc8-v6yg", "bz6p-t2m9d-4qkx",
			"9vfe-k8wh3-nc7r", "d5xj-4pag6-ym2t", "q7rn-b3ze9-8wkc", "t6gy-m5vd4-x2hp", "3jca-9qnk7-rb8f"}, ContinueURL: "/account"},
	}
}

// someQR is a QR code as the server draws it.
const someQR = "M4 4.5h7m1 0h3m1 0h3m2 0h1m1 0h2m1 0h1m2 0h1m2 0h5m1 0h7M4 5.5h1m5 0h1m2 0h3m1 0h1m4 0h1m1 0h2m1 0h3m2 0h2" +
	"m2 0h1m1 0h1m5 0h1M4 6.5h1m1 0h3m1 0h1m1 0h5m2 0h3m1 0h2m1 0h1m1 0h4m2 0h3m1 0h1m1 0h3m1 0h1M4 7.5h1m1 0h3" +
	"m1 0h1m1 0h1m5 0h3m4 0h3m2 0h1m5 0h1m1 0h1m1 0h3m1 0h1M4 8.5h1m1 0h3m1 0h1m1 0h1m1 0h1m2 0h2m2 0h1m2 0h1m1 0h3" +
	"m1 0h1m1 0h1m1 0h1m3 0h1m1 0h3m1 0h1M4 9.5h1m5 0h1m3 0h5m2 0h1m1 0h1m1 0h2m1 0h2m2 0h1m2 0h2m1 0h1" +
	"m5 0h1M4 10.5h7m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h1m1 0h7M14 11.5h1" +
	"m6 0h4m1 0h3m3 0h2m2 0h1M4 12.5h4m2 0h1m1 0h1m1 0h3m1 0h1m2 0h1m2 0h1m2 0h2m1 0h1m2 0h5m2 0h3m1 0h1M4 13.5h2" +
	"m1 0h1m1 0h1m1 0h2m7 0h1m2 0h3m1 0h3m5 0h2m1 0h3m2 0h2M4 14.5h7m1 0h2m1 0h2m1 0h1m1 0h2m4 0h4m2 0h3m2 0h1m2 0h1" +
	"m1 0h2M4 15.5h3m5 0h1m2 0h1m1 0h2m3 0h2m4 0h3m4 0h6m2 0h2M7 16.5h6m2 0h2m2 0h1m2 0h7m1 0h2m10 0h3M4 17.5h1" +
	"m3 0h1m3 0h1m2 0h2m3 0h1m1 0h1m2 0h1m1 0h4m1 0h1m5 0h1m2 0h1m1 0h2M4 18.5h2m1 0h2m1 0h1m1 0h4m1 0h1m1 0h2m1 0h2" +
	"m2 0h1m1 0h3m2 0h1m1 0h6m1 0h3M5 19.5h2m6 0h1m1 0h1m2 0h1m1 0h1m2 0h1m1 0h1m8 0h4m2 0h2m1 0h1M4 20.5h1m1 0h2" +
	"m2 0h2m1 0h2m1 0h2m1 0h1m4 0h1m1 0h2m1 0h1m4 0h1m2 0h1m1 0h2m2 0h1M7 21.5h2m2 0h1m1 0h1m1 0h2m1 0h2m1 0h2m1 0h1" +
	"m1 0h4m1 0h1m4 0h1m4 0h1M5 22.5h2m1 0h1m1 0h3m1 0h1m1 0h6m2 0h1m1 0h1m1 0h2m1 0h2m3 0h2m1 0h1m1 0h1M8 23.5h1" +
	"m3 0h1m3 0h3m1 0h1m2 0h1m2 0h2m2 0h2m1 0h2m1 0h3m1 0h3m1 0h1M5 24.5h1m1 0h4m3 0h1m1 0h3m3 0h2m3 0h1m1 0h2m3 0h2" +
	"m1 0h4m1 0h1m1 0h1M4 25.5h3m1 0h1m3 0h1m1 0h1m1 0h1m2 0h1m2 0h1m1 0h3m3 0h1m3 0h1m1 0h1m1 0h4m2 0h1M4 26.5h1" +
	"m2 0h4m2 0h1m1 0h2m3 0h1m1 0h1m4 0h1m1 0h1m2 0h3m2 0h4m1 0h2M4 27.5h2m1 0h2m3 0h2m3 0h2m1 0h1m3 0h1m3 0h3m4 0h3" +
	"m1 0h1m1 0h1m1 0h1M10 28.5h1m1 0h3m1 0h8m4 0h4m1 0h3m5 0h2m1 0h1M5 29.5h1m2 0h2m3 0h1m5 0h3m1 0h1m2 0h1m1 0h5" +
	"m1 0h2m1 0h3m1 0h4M4 30.5h3m1 0h1m1 0h1m1 0h1m1 0h1m2 0h1m5 0h2m9 0h3m1 0h1m1 0h1m2 0h2M18 31.5h1m6 0h2m4 0h1" +
	"m3 0h4m2 0h1M4 32.5h2m1 0h1m2 0h6m2 0h1m2 0h1m1 0h3m1 0h2m2 0h5m1 0h1m1 0h3m1 0h1M5 33.5h1m3 0h1m4 0h1m1 0h3" +
	"m3 0h3m3 0h1m4 0h2m7 0h1M4 34.5h1m3 0h3m4 0h2m1 0h1m2 0h1m2 0h2m3 0h6m5 0h2M6 35.5h3m4 0h1m2 0h1m1 0h4m1 0h1" +
	"m2 0h2m3 0h3m5 0h1m2 0h3M5 36.5h1m1 0h7m1 0h1m2 0h2m1 0h2m2 0h4m1 0h1m1 0h9m1 0h1m1 0h1M12 37.5h4m1 0h1m2 0h6" +
	"m1 0h1m2 0h1m1 0h3m1 0h1m3 0h2m1 0h2M4 38.5h7m4 0h1m1 0h1m2 0h1m1 0h1m1 0h2m1 0h3m5 0h2m1 0h1m1 0h1" +
	"m1 0h2M4 39.5h1m5 0h1m2 0h1m1 0h1m3 0h3m1 0h2m4 0h2m4 0h2m3 0h1m3 0h1M4 40.5h1m1 0h3m1 0h1m2 0h1m1 0h1m2 0h3" +
	"m4 0h3m2 0h1m5 0h5m1 0h2M4 41.5h1m1 0h3m1 0h1m1 0h2m1 0h1m1 0h2m8 0h2m1 0h1m1 0h3m1 0h2m2 0h1m1 0h3M4 42.5h1" +
	"m1 0h3m1 0h1m1 0h2m2 0h2m5 0h1m1 0h1m2 0h1m6 0h1m1 0h1m4 0h3M4 43.5h1m5 0h1m1 0h1m3 0h1m2 0h1m4 0h2m2 0h1m2 0h2" +
	"m2 0h2m3 0h1m2 0h1M4 44.5h7m1 0h6m2 0h1m1 0h1m1 0h4m1 0h1m4 0h4m1 0h3m1 0h1"
