package gallery

import "github.com/authzd/authzd/templates"

func passkeyPages() map[string]templates.Page {
	offer := templates.PasskeyOffer{Options: `{"challenge":"AAAA","rpId":"id.example.com","timeout":120000}`, Ceremony: "c1"}
	return map[string]templates.Page{
		"sign in, passkey": templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			Passkey: &templates.PasskeyAsk{PasskeyOffer: offer, Autofill: true}, Problem: templates.PasskeyUnknown, Signals: `{"unknown":{}}`},
		"sign in again, passkey": templates.SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, User: &alice, OtherAccountURL: "/login?other",
			Passkey: &templates.PasskeyAsk{PasskeyOffer: offer}},
		"passkey offer":    templates.OfferPasskey{Client: &someClient, Action: "/passkey", Hidden: someHidden, User: alice, Passkey: &templates.PasskeyAsk{PasskeyOffer: offer, Create: true, Silent: &offer}},
		"passkey demanded": templates.OfferPasskey{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, Wanted: true, Passkey: &templates.PasskeyAsk{PasskeyOffer: offer, Create: true}},
		"passkey as a factor": templates.PasskeyFactor{FactorPage: templates.FactorPage{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, AnotherURL: "/login/factor?way=choose"},
			Passkey: &templates.PasskeyAsk{PasskeyOffer: offer}},
		"passkey offer, too late": templates.OfferPasskey{Action: "/passkey", Hidden: someHidden, User: alice, Problem: templates.PasskeyStale},
		"passkeys": templates.Passkeys{Action: "/account/passkeys", AccountURL: "/account", Hidden: someHidden, User: alice, Added: true, Signals: `{"accepted":{}}`,
			Passkey: &templates.PasskeyAsk{PasskeyOffer: offer, Create: true},
			Keys: []templates.Passkey{
				{ID: "a1", Name: "iCloud Keychain", RPID: "id.example.com", AddedAt: someTime, LastUsedAt: someTime, Synced: true},
				{ID: "b2", RPID: "old.example.org", AddedAt: someTime, Elsewhere: true},
				{ID: "c3", Name: "<b>Key</b>", RPID: "id.example.com", AddedAt: someTime, LastWayIn: true},
			}},
		"passkeys, none": templates.Passkeys{Action: "/account/passkeys", AccountURL: "/account", Hidden: someHidden, User: alice, Problem: templates.PasskeyBadName, Passkey: &templates.PasskeyAsk{PasskeyOffer: offer, Create: true}},
		"passkeys, full": templates.Passkeys{Action: "/account/passkeys", AccountURL: "/account", Hidden: someHidden, User: alice, Signals: `{"accepted":{}}`,
			Keys: []templates.Passkey{{ID: "a1", Name: "Security key", RPID: "id.example.com", AddedAt: someTime}}},
	}
}
