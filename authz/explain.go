package authz

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// Advice for developers. The app is corrected first. A proposal for the registration keeps all that is
// there.

// explain is for a request to the authorization endpoint; a is nil for any other.
func (s *Server) explain(e *oauth.Error, a *authorization) *templates.ErrorDetail {
	detail := &templates.ErrorDetail{Explanation: e.Description}
	if a == nil {
		return detail
	}
	switch {
	case e.Code == oauth.InvalidRequestURI:
		detail.Parameter, detail.Received = "request_uri", a.params.Get("request_uri")
	case a.client == nil:
		detail.Parameter, detail.Received = "client_id", a.params.Get("client_id")
		detail.Registered = s.clients.File.IDs()
		detail.Nearest = client.Nearest(detail.Registered, detail.Received)
		detail.Fix = inTheApp("client_id", detail.Nearest)
		if detail.Received != "" {
			uri := cmp.Or(a.params.Get("redirect_uri"), "http://localhost:4200/callback")
			detail.Fix += "# or in authzd.yaml, below the clients that are there\n  - client_id: " + yamlString(detail.Received) +
				"\n    preset: spa\n    redirect_uris: [" + yamlString(uri) + "]"
		}
	case a.redirectURI == "" && !a.params.Has("request") && !a.params.Has("request_uri"):
		detail.Parameter, detail.Received = "redirect_uri", a.params.Get("redirect_uri")
		detail.Registered = a.client.RedirectURIs
		detail.Nearest = client.Nearest(a.client.RedirectURIs, detail.Received)
		detail.Fix = s.fixURI(a.client, "redirect_uri", a.client.RedirectURIs, detail.Received)
	}
	return detail
}

// inTheApp is a parameter as the app should send it, "" if there is none to send.
func inTheApp(parameter, value string) string {
	if value == "" {
		return ""
	}
	return "# in the app\n" + parameter + "=" + value + "\n"
}

// fixURI mends a parameter whose URI is not registered: in the app or, if the URI may be registered, by
// registering it beside the others.
func (s *Server) fixURI(c *client.Client, parameter string, registered []string, received string) string {
	fix := inTheApp(parameter, client.Nearest(registered, received))
	if received == "" || client.CheckRedirectURI(received, c.RedirectSchemes...) != nil {
		return fix
	}
	switch all := append(slices.Clone(registered), received); {
	case s.clients.File.Get(c.ID) != nil:
		var quoted []string
		for _, uri := range all {
			quoted = append(quoted, yamlString(uri))
		}
		fix += "# or in authzd.yaml\nclients:\n  - client_id: " + yamlString(c.ID) + "\n    " + parameter + "s: [" + strings.Join(quoted, ", ") + "]"
	case c.Source == client.Configured:
		fix += "# or\nauthzd client update " + shellWord(c.ID)
		for _, uri := range all {
			fix += " --" + strings.ReplaceAll(parameter, "_", "-") + " " + shellWord(uri)
		}
	default:
		fix += "# or let the app register it too, beside the others (RFC 7592)"
	}
	return fix
}

// yamlString quotes what came from outside; JSON strings are YAML strings.
func yamlString(s string) string {
	quoted, _ := json.Marshal(s) // a string always encodes
	return string(quoted)
}

// shellWord quotes what came from outside for a POSIX shell.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
