package templates

// Home is the page of the issuer itself.
type Home struct {
	UILocales     string
	Issuer        string
	User          *User // nil: nobody is signed in
	SignInURL     string
	AccountURL    string
	PlaygroundURL string // empty: not shown
	DiscoveryURL  string // empty: not shown
}

func (p Home) meta() meta { return meta{template: "home", uiLocales: p.UILocales} }
