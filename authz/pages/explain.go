package pages

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// This file advises developers. It proposes to correct the app first, and then to change the registration. A
// proposal for the registration keeps the values that it has.

// explain returns the details of the error page. a is the authorization request, nil if it was no such request.
func (pg *Pages) explain(e *oauth.Error, a *About) *templates.ErrorDetail {
	detail := &templates.ErrorDetail{Explanation: e.Description}
	if a == nil {
		return detail
	}
	switch {
	case e.Code == oauth.InvalidRequestURI:
		detail.Parameter, detail.Received = "request_uri", a.Params.Get("request_uri")
	case a.Client == nil:
		detail.Parameter, detail.Received = "client_id", a.Params.Get("client_id")
		detail.Registered = pg.Clients.File.IDs()
		detail.Nearest = client.Nearest(detail.Registered, detail.Received)
		detail.Fix = inTheApp("client_id", detail.Nearest)
		if detail.Received != "" {
			uri := cmp.Or(a.Params.Get("redirect_uri"), "http://localhost:4200/callback")
			detail.Fix += "# or in authzd.yaml, below the clients that are there\n  - client_id: " + YAMLString(detail.Received) +
				"\n    preset: spa\n    redirect_uris: [" + YAMLString(uri) + "]"
		}
	case a.RedirectURI == "" && !a.Params.Has("request") && !a.Params.Has("request_uri"):
		detail.Parameter, detail.Received = "redirect_uri", a.Params.Get("redirect_uri")
		detail.Registered = a.Client.RedirectURIs
		detail.Nearest = client.Nearest(a.Client.RedirectURIs, detail.Received)
		detail.Fix = pg.FixURI(a.Client, "redirect_uri", a.Client.RedirectURIs, detail.Received)
	}
	return detail
}

// inTheApp returns a parameter as the app should send it, "" if the value is empty.
func inTheApp(parameter, value string) string {
	if value == "" {
		return ""
	}
	return "# in the app\n" + parameter + "=" + value + "\n"
}

// FixURI returns advice for a URI that is not registered: how to correct the parameter in the app and, if the
// received URI may be registered, how to register it beside the others.
func (pg *Pages) FixURI(c *client.Client, parameter string, registered []string, received string) string {
	fix := inTheApp(parameter, client.Nearest(registered, received))
	if received == "" || client.CheckRedirectURI(received, c.RedirectSchemes...) != nil {
		return fix
	}
	switch all := append(slices.Clone(registered), received); {
	case pg.Clients.File.Get(c.ID) != nil:
		var quoted []string
		for _, uri := range all {
			quoted = append(quoted, YAMLString(uri))
		}
		fix += "# or in authzd.yaml\nclients:\n  - client_id: " + YAMLString(c.ID) + "\n    " + parameter + "s: [" + strings.Join(quoted, ", ") + "]"
	case c.Source == client.Configured:
		fix += "# or\nauthzd client update " + ShellWord(c.ID)
		for _, uri := range all {
			fix += " --" + strings.ReplaceAll(parameter, "_", "-") + " " + ShellWord(uri)
		}
	default:
		fix += "# or let the app register it too, beside the others (RFC 7592)"
	}
	return fix
}

// YAMLString quotes s for YAML, as a JSON string.
func YAMLString(s string) string {
	quoted, _ := json.Marshal(s) // a string always encodes
	return string(quoted)
}

// ShellWord quotes s for a POSIX shell.
func ShellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
