package gallery

import "github.com/authzd/authzd/templates"

func formPostPages() map[string]templates.Page {
	return map[string]templates.Page{
		"form post": templates.FormPost{Client: &someClient, Action: "com.example.app:/cb", Params: map[string]string{"code": "azc_1", "state": "s"}},
	}
}
