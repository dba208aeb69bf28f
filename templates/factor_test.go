package templates

import (
	"slices"

	"golang.org/x/net/html"
)

// isQR reports whether a drawing is a QR code: paths with a colour, and nothing else.
func isQR(n *html.Node) bool {
	if attr(n, "class") != "qr" {
		return false
	}
	for path := n.FirstChild; path != nil; path = path.NextSibling {
		if path.Data != "path" || path.FirstChild != nil || slices.ContainsFunc(path.Attr, func(a html.Attribute) bool { return a.Key != "fill" && a.Key != "d" }) {
			return false
		}
	}
	return true
}

func factorPages() map[string]Page {
	base := FactorPage{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, AnotherURL: "/login/factor?way=choose"}
	wrong, wrongCode := base, base
	wrong.Problem, wrongCode.Problem = WrongOTP, WrongRecoveryCode
	enrol := EnrolTOTP{
		Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, Secret: "J5QX 6ZTM KN2W 4RCD P7EA HV3U",
		QRPath: "M4 4h7v1h-7z", QRSize: 45, Wanted: true, CancelURL: "/account",
	}
	enrolWrong := enrol
	enrolWrong.Problem = WrongOTP
	return map[string]Page{
		"otp": OTP{FactorPage: base, RememberDevice: true}, "otp wrong": OTP{FactorPage: wrong}, "otp locked": OTP{FactorPage: base, Locked: true},
		"recovery code": RecoveryCode{base}, "recovery code wrong": RecoveryCode{wrongCode},
		"another way": AnotherWay{base, "/login/factor?way=passkey", "/login/factor?way=totp", "/login/factor?way=recovery"},
		"enrol totp":  enrol, "enrol totp wrong": enrolWrong,
		"factors": Factors{
			User: alice, Action: "/account/factors", Hidden: someHidden, App: true, AppSince: someTime, Codes: 7, AppURL: "/account/factors/app", AccountURL: "/account",
		},
		"factors, none":     Factors{User: alice, Action: "/account/factors", AppURL: "/account/factors/app", AccountURL: "/account"},
		"factors, demanded": Factors{User: alice, Action: "/account/factors", Hidden: someHidden, App: true, Locked: true, Demanded: true, AppSince: someTime, AppURL: "/account/factors/app", AccountURL: "/account"},
		"recovery codes":    RecoveryCodes{User: alice, Codes: []string{"k4tm-9pwx7-rvd2", "m8yc-w6jaz-3znf"}, ContinueURL: "/account"},
	}
}
