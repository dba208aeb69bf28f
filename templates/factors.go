package templates

import "time"

// Factors shows users their second factor, and lets them change it.
//
// Link set-up-app; buttons app-remove, recovery-new and devices-forget send change=remove, codes or forget to Action.
type Factors struct {
	UILocales  string
	User       User
	Action     string
	Hidden     map[string]string
	App        bool // an authenticator app is set up
	AppSince   time.Time
	Locked     bool // too many wrong codes have ended it
	Codes      int  // recovery codes that are left
	Demanded   bool // the app can't be removed, only replaced
	AppURL     string
	AccountURL string
	Zone       *time.Location // of the times; nil: UTC
}

func (p Factors) meta() meta { return meta{template: "account-factors", uiLocales: p.UILocales} }
