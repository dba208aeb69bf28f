package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/client"
)

// strangeOrigin is an origin that no client has (RFC 2606 section 2).
const strangeOrigin = "https://doctor.invalid"

// checkCORS sends requests like the browsers of each client's apps (Fetch standard, CORS protocol), and one
// like an unknown app.
func (e *examination) checkCORS(ctx context.Context) {
	const check = "cors"
	before, origins := len(e.findings), []string{}
	for _, c := range e.clients {
		for _, origin := range c.AllowedOrigins {
			if slices.Contains(origins, origin) {
				continue
			}
			origins = append(origins, origin)
			if err := e.mayCall(ctx, origin); err != nil {
				e.add(check, "failed", fmt.Sprintf("%s, of client %s: %v", origin, c.ID, err), "let the proxy pass OPTIONS and the headers of CORS on, and add none of its own")
			}
		}
	}
	anybody := e.server.RegistrationEndpoint != "" || e.server.ClientDocuments // clients come with their own origins
	if !anybody && e.mayCall(ctx, strangeOrigin) == nil {
		e.add(check, "failed", "the browser app of any site may call the token endpoint", "a proxy adds Access-Control-Allow-Origin: let it add none")
	}
	if response, _, err := e.ask(ctx, http.MethodGet, e.server.AuthorizationEndpoint, "Origin", strangeOrigin); err == nil && response.Header.Get("Access-Control-Allow-Origin") != "" {
		e.add(check, "failed", "the authorization endpoint has Access-Control-Allow-Origin", "a proxy adds it: let it add none")
	}
	if len(e.findings) == before {
		e.add(check, "ok", fmt.Sprintf("%d origins may call, and no others", len(origins)), "")
	}
}

// mayCall returns the reason why a browser would keep an app of an origin from getting tokens, or nil.
func (e *examination) mayCall(ctx context.Context, origin string) error {
	preflight, _, err := e.ask(ctx, http.MethodOptions, e.server.TokenEndpoint, "Origin", origin,
		"Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", "content-type,dpop")
	if err != nil {
		return err
	}
	if err := allows(preflight, origin); err != nil {
		return fmt.Errorf("the preflight at the token endpoint %w", err)
	}
	allowed := strings.ToLower(strings.Join(preflight.Header.Values("Access-Control-Allow-Headers"), ","))
	for _, name := range []string{"content-type", "dpop"} {
		if !strings.Contains(allowed, name) {
			return fmt.Errorf("the preflight at the token endpoint does not allow the header %s", name)
		}
	}
	for _, target := range []string{e.issuer + "/.well-known/openid-configuration", e.server.JWKSURI} {
		response, _, err := e.ask(ctx, http.MethodGet, target, "Origin", origin)
		if err != nil {
			return err
		}
		if err := allows(response, origin); err != nil {
			return fmt.Errorf("%s %w", target, err)
		}
	}
	return nil
}

func allows(response *http.Response, origin string) error {
	values := response.Header.Values("Access-Control-Allow-Origin")
	switch {
	case response.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("answers %s", response.Status)
	case len(values) > 1:
		return fmt.Errorf("has Access-Control-Allow-Origin %d times, and browsers accept none of them", len(values))
	case len(values) == 0 || values[0] != origin && values[0] != "*":
		return fmt.Errorf("does not allow the origin")
	}
	return nil
}

// maxRedirectURIs bounds how many are tried.
const maxRedirectURIs = 200

// checkRedirectURIs begins a sign-in with each redirect URI, which ends at once because nobody is signed in.
// If the server knows the URI, the answer goes there; otherwise it is an error page.
func (e *examination) checkRedirectURIs(ctx context.Context) {
	const check = "redirect URIs"
	before, tried := len(e.findings), 0
	for _, c := range e.clients {
		if !slices.Contains(c.ResponseTypes, "code") {
			continue
		}
		if c.RequirePAR || c.RequireSigned {
			e.add(check, "skipped", "client "+c.ID+" pushes or signs its requests", "")
			before++
			continue
		}
		for _, uri := range c.RedirectURIs {
			if tried++; tried > maxRedirectURIs {
				e.add(check, "skipped", fmt.Sprintf("only the first %d were tried", maxRedirectURIs), "")
				return
			}
			if err := e.leadsTo(ctx, &c, uri); err != nil {
				e.add(check, "failed", fmt.Sprintf("%s, of client %s: %v", uri, c.ID, err), "was the server restarted since the configuration was changed, and does the proxy pass the query on as it is?")
			}
		}
	}
	if len(e.findings) == before {
		e.add(check, "ok", fmt.Sprintf("%d are known", tried), "")
	}
}

// errorCode is the small print of an error page.
var errorCode = regexp.MustCompile(`id="error-code">(\d{3}) ([a-z_]+)<`)

// leadsTo returns the reason why an authorization request with prompt=none does not end at its redirect URI.
func (e *examination) leadsTo(ctx context.Context, c *client.Metadata, uri string) error {
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {uri}, "scope": {"openid"}, "prompt": {"none"}, "state": {"doctor"},
		"code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, // RFC 7636 appendix B
	}
	response, body, err := e.ask(ctx, http.MethodGet, e.server.AuthorizationEndpoint+"?"+query.Encode())
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 3 {
		if found := errorCode.FindSubmatch(body); found != nil {
			return fmt.Errorf("refused: %s: %s", found[1], found[2])
		}
		return fmt.Errorf("the authorization endpoint answers %s", response.Status)
	}
	location := response.Header.Get("Location")
	if rest, ok := strings.CutPrefix(location, uri); !ok || rest == "" || !strings.ContainsAny(rest[:1], "?&#/") {
		return fmt.Errorf("the answer goes to %s", strings.SplitN(location, "?", 2)[0])
	}
	return nil
}
