package templates

import (
	"encoding/json"
	"time"
)

// PasskeyAsk is what the page's script asks the browser for (assets/passkey.js). Its form has the hidden fields
// passkey-ceremony and passkey-answer. A button that the script did not handle sends passkey=yes without an answer.
type PasskeyAsk struct {
	PasskeyOffer
	Create   bool          // a new passkey; otherwise a sign-in with one
	Autofill bool          // of a sign-in: offer passkeys in the list of the username field too
	Silent   *PasskeyOffer // of a new one: the browser may make it without asking; nil: it may not
}

// PasskeyOffer has the options of navigator.credentials, as JSON, and the ceremony that belongs to them.
type PasskeyOffer struct {
	Options  string
	Ceremony string
}

// Data returns the ask for the script. The options are JSON within JSON, so that this never fails.
func (a *PasskeyAsk) Data() string {
	type offer struct {
		Options  string `json:"options"`
		Ceremony string `json:"ceremony"`
	}
	data := struct {
		Kind string `json:"kind"`
		offer
		Autofill bool   `json:"autofill,omitempty"`
		Silent   *offer `json:"silent,omitempty"`
	}{"get", offer(a.PasskeyOffer), a.Autofill, nil}
	if a.Create {
		data.Kind = "create"
	}
	data.Silent = (*offer)(a.Silent)
	text, _ := json.Marshal(data) // strings always encode
	return string(text)
}

// The problems of passkeys.
const (
	PasskeyNoScript     Problem = "passkey_no_script"     // the page's script did not run
	PasskeyUnknown      Problem = "passkey_unknown"       // it was removed here, or was never added
	PasskeyLate         Problem = "passkey_late"          // the page was open for too long, or was answered before
	PasskeyUnverified   Problem = "passkey_unverified"    // the device did not check that its owner is there
	PasskeyCopied       Problem = "passkey_copied"        // there may be a copy of it
	PasskeyRefused      Problem = "passkey_refused"       // anything else
	PasskeyNotPermitted Problem = "passkey_not_permitted" // the operator does not want this model
	PasskeyTooMany      Problem = "passkey_too_many"      // the user has as many as there may be
	PasskeyAlreadyAdded Problem = "passkey_already_added"
	PasskeyBadName      Problem = "passkey_bad_name"
	PasskeyLastWayIn    Problem = "passkey_last_way_in"
	PasskeyStale        Problem = "passkey_stale" // the sign-in is too old to add one
)

// OfferPasskey asks right after a sign-in with a password whether the user wants a passkey.
//
// Button passkey-add; button passkey-skip sends decision=skip; box never.
type OfferPasskey struct {
	UILocales string
	Client    *Client
	Action    string
	Hidden    map[string]string
	User      User
	Passkey   *PasskeyAsk // nil: none can be added now
	Problem   Problem
	Wanted    bool // the account or the app demands one: the user can't skip it
}

func (p OfferPasskey) meta() meta {
	return meta{template: "passkey-offer", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin(), scripts: p.Passkey != nil}
}

// PasskeyFactor asks for a passkey of the user, after another factor.
//
// Button passkey-login; link use-another-way.
type PasskeyFactor struct {
	FactorPage
	Passkey *PasskeyAsk // nil: the user has none any more
}

func (p PasskeyFactor) meta() meta {
	return meta{template: "passkey-factor", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin(), scripts: p.Passkey != nil}
}

// Passkeys lists the passkeys of a user, who can add, rename and remove them.
//
// Button passkey-add; inputs name-{id}; buttons rename-{id} send rename={id}, and passkey-remove-{id} send remove={id}.
type Passkeys struct {
	UILocales  string
	Action     string
	AccountURL string
	Hidden     map[string]string
	User       User
	Keys       []Passkey
	Zone       *time.Location // of the times; nil: UTC
	Passkey    *PasskeyAsk    // nil: the user has as many as there may be
	Problem    Problem
	Added      bool   // one was added just now
	Signals    string // for the script: what the password manager should know
}

func (p Passkeys) meta() meta {
	return meta{template: "account-passkeys", uiLocales: p.UILocales, scripts: true}
}

// Passkey is one passkey of a user.
type Passkey struct {
	ID         string
	Name       string // empty: nobody has named it
	RPID       string // the domain that it works for
	AddedAt    time.Time
	LastUsedAt time.Time // zero: never
	Synced     bool      // it is copied to other devices of the user
	Elsewhere  bool      // it was made for another domain, and does not work here
	LastWayIn  bool      // it can't be removed
}
