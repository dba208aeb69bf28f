package authorize

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/templates"
)

// Scopes that a client asks for but is not registered for are left out: many apps ask for all scopes that they
// know (RFC 6749 section 3.3, OpenID Connect Core section 3.1.2.1). The token response names the scopes that
// were granted. A request is refused only if none of its scopes is left.

// maxNamed is how much of a list of scopes an error repeats.
const maxNamed = 200 // bytes

// usualScope matches scopes that an error may repeat.
var usualScope = regexp.MustCompile(`^[A-Za-z0-9_.:/-]+$`)

// TakeScopes sets the scopes of a request: those that it asks for and its client is registered for. It
// remembers the others for NoteLeftOut and ExplainLeftOut. The error is InvalidScope.
func (a *Request) TakeScopes() error {
	asked := oauth.ScopesOf(a.Params)
	for _, scope := range asked {
		if !scopeSyntax.MatchString(scope) {
			return oauth.Refuse(oauth.InvalidScope, "A scope contains characters that no scope may have.")
		}
	}
	a.Scopes = oauth.Both(asked, a.Client.Scopes)
	a.leftOut = slices.DeleteFunc(asked, func(scope string) bool { return slices.Contains(a.Scopes, scope) })
	if len(a.Scopes) == 0 && len(a.leftOut) > 0 {
		return oauth.Refuse(oauth.InvalidScope, "The client is registered for none of the requested scopes: "+listed(a.leftOut)+".")
	}
	return nil
}

// listed names scopes, up to maxNamed bytes. Clients show this text to people, so unusual names are left out.
func listed(scopes []string) string {
	list, others := "", ""
	for _, scope := range scopes {
		switch {
		case len(list)+len(scope) > maxNamed || !usualScope.MatchString(scope):
			others = " and others"
		case list == "":
			list = scope
		default:
			list += ", " + scope
		}
	}
	return strings.TrimPrefix(list+others, " and ")
}

// NoteLeftOut adds the scopes that were left out to the log. Call it when a request begins, and not again on
// each page.
func (a *Request) NoteLeftOut(ctx context.Context) {
	if len(a.leftOut) > 0 {
		observe.Event(ctx).Add("scopes_left_out", strings.Join(a.leftOut, " "))
	}
}

// ExplainLeftOut returns an explanation of the scopes that were left out, and of how to register them, for the
// pages of development. It returns nil if no scope was left out, or this is not development.
func (reqs *Requests) ExplainLeftOut(a *Request) *templates.ErrorDetail {
	if !reqs.Dev || a == nil || len(a.leftOut) == 0 {
		return nil
	}
	detail := &templates.ErrorDetail{
		Explanation: "Some of the requested scopes are left out, because the client is not registered for them.",
		Parameter:   "scope",
		Received:    strings.Join(a.leftOut, " "),
		Registered:  a.Client.Scopes,
	}
	if len(a.leftOut) == 1 {
		detail.Nearest = client.Nearest(a.Client.Scopes, a.leftOut[0])
	}
	unknown := func(scope string) bool { return !resource.IsUserScope(scope) && len(reqs.Resources.Owners(scope)) == 0 }
	switch all := strings.Join(slices.Concat(a.Client.Scopes, a.leftOut), " "); {
	case slices.ContainsFunc(a.leftOut, unknown): // then the client cannot have it
	case reqs.Clients.File.Get(a.Client.ID) != nil:
		detail.Fix = "clients:\n  - client_id: " + pages.YAMLString(a.Client.ID) + "\n    scope: " + pages.YAMLString(all)
	case a.Client.Source == client.Configured:
		detail.Fix = "authzd client update " + pages.ShellWord(a.Client.ID) + " --scope " + pages.ShellWord(all)
	}
	return detail
}
