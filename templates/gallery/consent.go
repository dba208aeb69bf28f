package gallery

import "github.com/authzd/authzd/templates"

func consentPages() map[string]templates.Page {
	return map[string]templates.Page{
		"consent": templates.Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Scopes: someScopes},
		"consent, payment": templates.Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Details: somePayment},
		"consent, declared payment": templates.Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Scopes: []templates.Scope{{Name: "openid"}}, Details: declaredPayment},
		"consent, details": templates.Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Details: someDetails},
		"consent, unknown client": templates.Consent{Client: unknownClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Scopes: someScopes},
	}
}
