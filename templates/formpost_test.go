package templates

func formPostPages() map[string]Page {
	return map[string]Page{
		"form post": FormPost{Client: &someClient, Action: "com.example.app:/cb", Params: map[string]string{"code": "azc_1", "state": "s"}},
	}
}
