package gallery

import "github.com/authzd/authzd/templates"

func devicePages() map[string]templates.Page {
	return map[string]templates.Page{
		"device code":         templates.DeviceCode{Action: "/device", Hidden: someHidden},
		"device code, failed": templates.DeviceCode{Action: "/device", Hidden: someHidden, UserCode: "wdjb mjht", Problem: templates.UnknownCode},
		"device": templates.DeviceConfirm{Client: someClient, Action: "/device", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", UserCode: "WDJB-MJHT", Scopes: someScopes, Details: someDetails},
		"device, unknown client": templates.DeviceConfirm{Client: unknownClient, Action: "/device", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", UserCode: "WDJB-MJHT", Scopes: someScopes},
		"device, allowed": templates.DeviceDone{Client: someClient, Allowed: true},
		"device, denied":  templates.DeviceDone{Client: someClient},
	}
}
