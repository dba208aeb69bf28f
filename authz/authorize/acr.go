package authorize

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/session"
)

// Authentication context classes (OpenID Connect Core section 2) of the first factor: how the user signed in here.
// Neither is better than the other, so a client that wants one must name it.
const (
	ACRPassword  = "urn:authzd:acr:password"
	ACRFederated = "urn:authzd:acr:federated"
)

// ACRTwoFactors is the class of a sign-in with two factors, if the operator names no other classes.
const ACRTwoFactors = "urn:authzd:acr:2fa"

// ACRPhishingResistant is the class of a sign-in with a passkey, by the name that OpenID Connect Extended Authentication
// Profile ACR Values gives it.
const ACRPhishingResistant = "phr"

// ACRHardware is the class of a sign-in with a passkey that can't leave its device, by a name of the same specification.
const ACRHardware = "phrh"

// Class is an authentication context class that says how strongly the user has proved who they are. A stronger sign-in
// has the class too.
type Class struct {
	Name  string
	Level factor.Level
}

// ACRValues returns the classes that a sign-in here can have.
func (reqs *Requests) ACRValues() []string {
	values := []string{ACRPassword}
	if len(reqs.Connectors) > 0 {
		values = append(values, ACRFederated)
	}
	for _, class := range reqs.Classes {
		values = append(values, class.Name)
	}
	return oauth.Unique(values)
}

// levelOf returns the level of a class, 0 if it is one of a first factor.
func (reqs *Requests) levelOf(name string) factor.Level {
	for _, class := range reqs.Classes {
		if class.Name == name {
			return class.Level
		}
	}
	return 0
}

// checkACR finds the classes that the request accepts: those of an acr claim (OpenID Connect Core section
// 5.5.1.1), else of acr_values, else of the client's default_acr_values. It leaves out values that no sign-in
// here can have, but if an essential claim has no others, the request fails (OpenID Connect Core Unmet
// Authentication Requirements section 2). The sign-in must have one of the values that are left, even if they
// are voluntary: an API that demands a class would refuse another token again (RFC 9470 section 5).
func (reqs *Requests) checkACR(a *Request) error {
	wanted := a.Claims.acr
	if len(wanted) == 0 {
		wanted = strings.Fields(a.Params.Get("acr_values"))
	}
	if len(wanted) == 0 && !a.Claims.acrEssential {
		wanted = a.Client.DefaultACRValues
	}
	a.acr = nil
	for _, name := range oauth.Both(wanted, reqs.ACRValues()) {
		a.acr = append(a.acr, Class{name, reqs.levelOf(name)})
	}
	a.classes = reqs.Classes
	if a.Claims.acrEssential && len(a.Claims.acr) > 0 && len(a.acr) == 0 {
		return oauth.Refuse(oauth.UnmetAuthentication, "No sign-in here has an authentication context class that was asked for.")
	}
	return nil
}

// TakesACR reports whether the request accepts a sign-in whose first factor has this class, perhaps after further
// factors.
func (a *Request) TakesACR(acr string) bool {
	return len(a.acr) == 0 || slices.ContainsFunc(a.acr, func(c Class) bool { return c.Level > 0 || c.Name == acr })
}

// Level returns how strongly a user must prove who they are for the request, if the first factor has this class.
func (a *Request) Level(acr string) factor.Level {
	level := factor.Level(0)
	for _, c := range a.acr {
		if c.Level == 0 && c.Name == acr {
			return factor.One
		}
		if c.Level > 0 && (level == 0 || c.Level < level) {
			level = c.Level
		}
	}
	return max(level, factor.One)
}

// acrOf returns the class of a sign-in in tokens for the request: the first that it asks for and the sign-in has. If it
// asks for none, the strongest that the operator has named; below two factors, that of the first factor.
func (a *Request) acrOf(signedIn *session.Session) string {
	level := max(factor.Level(signedIn.Level), factor.One)
	for _, c := range a.acr {
		if c.Level == 0 && c.Name == signedIn.ACR || c.Level > 0 && c.Level <= level {
			return c.Name
		}
	}
	name, best := signedIn.ACR, factor.Level(0)
	for _, c := range a.classes {
		if c.Level <= level && c.Level > best && (c.Level > factor.One || name == "") {
			name, best = c.Name, c.Level
		}
	}
	return name
}
