package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/register"
)

// RFC 9700 section 4.11.2: those who may register a client could have this server lead people to any site, by
// an error that is certain. A page stands in between, unless somebody vouches for the client.

const stranger = "https://stranger.example/callback"

// strangersApp registers a client that nobody vouches for.
func strangersApp(t *testing.T, s *authztest.Server, change map[string]any) blackbox.Reply {
	t.Helper()
	metadata := map[string]any{"client_name": "Orders", "redirect_uris": []string{stranger}, "post_logout_redirect_uris": []string{stranger}, "client_uri": "https://stranger.example/"}
	for name, value := range change {
		metadata[name] = value
	}
	return blackbox.Register(t, s, blackbox.WebClient(metadata))
}

// fromStranger opens the authorization endpoint for such a client.
func fromStranger(t *testing.T, b *authztest.Browser, id string, change url.Values) *authztest.Page {
	t.Helper()
	if change == nil {
		change = url.Values{}
	}
	change.Set("redirect_uri", stranger)
	return b.Ask(t, id, change)
}

// staysHere wants a page that leads away by a click only, and returns where to.
func staysHere(t *testing.T, what string, page *authztest.Page, code string) *url.URL {
	t.Helper()
	if page.Header.Get("Location") != "" || page.Status < 400 || !strings.HasSuffix(page.Text("error-code"), " "+code) {
		t.Fatalf("%s: %d %s %s", what, page.Status, page.Header.Get("Location"), page.Text("error-code"))
	}
	if !page.Has("unknown-client") || !strings.Contains(page.Text("leads-to"), "stranger.example") || page.Text("back") != "Go on to stranger.example" {
		t.Errorf("%s: the page does not say where it leads: %s", what, page.Body)
	}
	if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "http-equiv") {
		t.Errorf("%s: the page goes on by itself", what)
	}
	link, err := url.Parse(page.Link("back"))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestOpenRedirectorErrors(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	id := strangersApp(t, s, nil).Text("client_id")
	for name, b := range map[string]*authztest.Browser{"nobody signed in": s.NewBrowser(t), "somebody signed in": s.SignedIn(t, nil)} {
		for change, code := range map[string]string{
			"response_type=token": "unsupported_response_type", "response_type=": "invalid_request", "scope=nothing": "invalid_scope", "max_age=x": "invalid_request",
			"code_challenge=": "invalid_request", "id_token_hint=x": "invalid_request", "request=x": "invalid_request_object", "registration=x": "registration_not_supported",
			"resource=https://nothing.example": "invalid_target", "client_secret=x": "invalid_request", "request_uri=https://stranger.example/r": "invalid_request_uri",
			"claims=x": "invalid_request", "resource=x": "invalid_target",
		} {
			key, value, _ := strings.Cut(change, "=")
			link := staysHere(t, name+", "+change, fromStranger(t, b, id, url.Values{key: {value}, "state": {"s t"}}), code)
			got := link.Query()
			if key == "response_type" && value == "token" {
				got, _ = url.ParseQuery(link.Fragment)
			}
			if link.Host != "stranger.example" || got.Get("error") != code || got.Get("state") != "s t" || got.Get("iss") != s.URL {
				t.Errorf("%s, %s: the link leads to %s", name, change, link)
			}
		}
		repeated := authztest.AuthorizationParams(id, "")
		repeated.Set("redirect_uri", stranger)
		staysHere(t, "a repeated parameter", b.Get(t, s.URL+"/authorize?"+repeated.Encode()+"&nonce=a&nonce=b"), "invalid_request")
		posted := s.PostForm(t, "/authorize", url.Values{"client_id": {id}, "redirect_uri": {stranger}, "client_secret": {"x"}}, nil)
		if posted.Header.Get("Location") != "" || posted.Status != http.StatusBadRequest {
			t.Errorf("POST: %d %s", posted.Status, posted.Header.Get("Location"))
		}
	}
}

func TestOpenRedirectorResponseModes(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	id := strangersApp(t, s, map[string]any{"authorization_signed_response_alg": "ES256"}).Text("client_id")
	b := s.NewBrowser(t)
	bad := func(mode string) *authztest.Page {
		return fromStranger(t, b, id, url.Values{"response_mode": {mode}, "max_age": {"x"}, "state": {"s"}})
	}
	for _, mode := range []string{"query", "fragment", "jwt", "query.jwt", "fragment.jwt"} {
		link := staysHere(t, mode, bad(mode), "invalid_request")
		params := link.Query()
		if strings.HasPrefix(mode, "fragment") {
			params, _ = url.ParseQuery(link.Fragment)
		}
		if strings.HasSuffix(mode, "jwt") {
			claims, _ := blackbox.OpenResponse(t, s, params.Get("response"))
			params = url.Values{"error": {claims["error"].(string)}, "state": {claims["state"].(string)}}
		}
		if params.Get("error") != "invalid_request" || params.Get("state") != "s" {
			t.Errorf("%s: %s", mode, link)
		}
	}
	page := bad("form_post")
	staysHere(t, "form_post", page, "invalid_request")
	request := page.Submit(t, "back", nil)
	if err := request.ParseForm(); err != nil || request.URL.String() != stranger || request.PostForm.Get("error") != "invalid_request" || request.PostForm.Get("state") != "s" {
		t.Errorf("%s %v", request.URL, request.PostForm)
	}
	signed := bad("form_post.jwt")
	staysHere(t, "form_post.jwt", signed, "invalid_request")
	if request := signed.Submit(t, "back", nil); request.ParseForm() != nil || request.PostForm.Get("response") == "" {
		t.Errorf("%v", request.PostForm)
	}
}

// An answer follows at once where nobody sees a page, and where the person has acted.
func TestOpenRedirectorExceptions(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	id := strangersApp(t, s, nil).Text("client_id")
	leaves := func(what string, page *authztest.Page, code string) {
		t.Helper()
		location := page.Header.Get("Location")
		if u, err := url.Parse(location); err != nil || u.Host != "stranger.example" || u.Query().Get("error") != code {
			t.Errorf("%s: %d %s", what, page.Status, location)
		}
	}
	b := s.NewBrowser(t)
	leaves("prompt=none", fromStranger(t, b, id, url.Values{"prompt": {"none"}}), "login_required")
	leaves("prompt=none with a mistake", fromStranger(t, b, id, url.Values{"prompt": {"none"}, "max_age": {"x"}}), "invalid_request")

	page := b.Get(t, fromStranger(t, b, id, nil).Header.Get("Location"))
	if !page.Has("unknown-client") || !strings.Contains(page.Body, "stranger.example") {
		t.Errorf("the sign-in page does not say who asks: %s", page.Body)
	}
	leaves("turned back", b.Do(t, page.Submit(t, "login-cancel", nil)), "access_denied")

	b.Deny = true
	if answer := b.Authorize(t, paramsOfStranger(id, nil)); answer.Params.Get("error") != "access_denied" {
		t.Errorf("denied: %s", answer)
	}
	b.Deny = false
	somebodyElse := url.Values{"claims": {`{"id_token":{"sub":{"value":"somebody else"}}}`}}
	if answer := b.Authorize(t, paramsOfStranger(id, somebodyElse)); answer.Params.Get("error") != "login_required" {
		t.Errorf("refused after the sign-in: %s", answer)
	}
	if answer := b.Authorize(t, paramsOfStranger(id, nil)); answer.Params.Get("code") == "" {
		t.Errorf("allowed: %s", answer)
	}
}

func paramsOfStranger(id string, change url.Values) url.Values {
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(id, challenge)
	params.Set("redirect_uri", stranger)
	for name, values := range change {
		params[name] = values
	}
	return params
}

// onlyIDToken signs somebody in to a stranger's client, elsewhere.
func onlyIDToken(t *testing.T, s *authztest.Server, id string) string {
	t.Helper()
	verifier, challenge := authztest.PKCE()
	params := paramsOfStranger(id, url.Values{"code_challenge": {challenge}})
	form := authztest.CodeForm(s.NewBrowser(t).Authorize(t, params).Params.Get("code"), verifier)
	form.Set("redirect_uri", stranger)
	return s.Token(t, id, "", form).IDToken
}

// A pushed or signed request changes nothing: its client is a stranger's all the same.
func TestOpenRedirectorPushedAndSigned(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	key, set := blackbox.NewClientKey(t)
	id := strangersApp(t, s, map[string]any{"jwks": set, "token_endpoint_auth_method": "private_key_jwt"}).Text("client_id")
	b := s.NewBrowser(t)
	object := key.Sign(t, nil, map[string]any{
		"iss": id, "aud": s.URL, "client_id": id, "redirect_uri": stranger, "response_type": "code", "max_age": "x", "state": "s", "exp": time.Now().Add(time.Minute).Unix(),
	})
	staysHere(t, "signed", b.Get(t, s.URL+"/authorize?"+url.Values{"client_id": {id}, "request": {object}}.Encode()), "invalid_request")

	public := strangersApp(t, s, nil)
	id = public.Text("client_id")
	requestURI := blackbox.RequestURI(t, s.PostForm(t, "/par", paramsOfStranger(id, url.Values{"scope": {"orders.read"}}), nil))
	// The scope was registered when the request was pushed, and is not any more.
	metadata := blackbox.WebClient(map[string]any{"client_id": id, "redirect_uris": []string{stranger}, "scope": "openid"})
	if answer := blackbox.CallJSON(t, http.MethodPut, public.Text("registration_client_uri"), public.Text("registration_access_token"), metadata); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	pushed := s.URL + "/authorize?" + url.Values{"client_id": {id}, "request_uri": {requestURI}}.Encode()
	if link := staysHere(t, "pushed", b.Get(t, pushed), "invalid_scope"); link.Query().Get("error") != "invalid_scope" {
		t.Errorf("pushed: %s", link)
	}
	blackbox.WantErrorPage(t, "pushed, and answered", b.Get(t, pushed), "invalid_request_uri")
}

// The operator vouches for clients by name, by an initial access token, and by the list of issuers of
// software statements.
func TestOpenRedirectorVouched(t *testing.T) {
	t.Parallel()
	trusted, set := blackbox.NewClientKey(t)
	directory := blackbox.NewSite(t, map[string]string{"/jwks": string(set)})
	c := blackbox.OpenRegistration()
	c.Registration.SoftwareStatementIssuers = map[string]string{"https://directory.example": directory.URL + "/jwks"}
	s := authztest.Start(t, c, nil)
	statement := trusted.Sign(t, nil, map[string]any{"iss": "https://directory.example", "redirect_uris": []string{stranger}})
	registered := strangersApp(t, s, map[string]any{"software_statement": statement})
	b := s.NewBrowser(t)
	wrong := url.Values{"max_age": {"x"}}
	atOnce := func(what string, page *authztest.Page) {
		t.Helper()
		if !strings.HasPrefix(page.Header.Get("Location"), stranger+"?error=invalid_request&") {
			t.Errorf("%s: %d %s", what, page.Status, page.Header.Get("Location"))
		}
	}
	atOnce("with a software statement", fromStranger(t, b, registered.Text("client_id"), wrong))
	if got := b.Ask(t, authztest.ThirdParty, url.Values{"max_age": {"x"}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("named by the operator: %v", got)
	}
	// A registration that is changed without the statement is the client's own word again.
	metadata := blackbox.WebClient(map[string]any{"redirect_uris": []string{stranger}, "client_id": registered.Text("client_id")})
	if answer := blackbox.CallJSON(t, http.MethodPut, registered.Text("registration_client_uri"), registered.Text("registration_access_token"), metadata); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	staysHere(t, "without it", fromStranger(t, b, registered.Text("client_id"), wrong), "invalid_request")

	c = blackbox.OpenRegistration()
	c.Registration.Mode, c.Registration.InitialAccessTokens = register.Token, []string{"an-initial-access-token"}
	s = authztest.Start(t, c, nil)
	invited := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "an-initial-access-token", blackbox.WebClient(map[string]any{"redirect_uris": []string{stranger}}))
	if invited.Status != http.StatusCreated {
		t.Fatalf("%d %s", invited.Status, invited.Body)
	}
	atOnce("by an initial access token", fromStranger(t, s.NewBrowser(t), invited.Text("client_id"), wrong))
}

func TestOpenRedirectorMetadataDocument(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	params, _ := blackbox.DocumentRequest(p.Publish("/app.json", nil), p.URL+"/callback")
	params.Set("max_age", "x")
	page := s.NewBrowser(t).Get(t, s.URL+"/authorize?"+params.Encode())
	if page.Header.Get("Location") != "" || page.Text("error-code") != "400 invalid_request" || !strings.HasPrefix(page.Link("back"), p.URL+"/callback?") {
		t.Errorf("%d %s %s", page.Status, page.Header.Get("Location"), page.Link("back"))
	}
}

// A logout returns at once to a stranger's client only if its ID token is of this browser's session.
func TestOpenRedirectorLogout(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	id := strangersApp(t, s, nil).Text("client_id")
	foreign := onlyIDToken(t, s, id)
	logout := func(b *authztest.Browser, hint string) *authztest.Page {
		return b.Get(t, s.URL+"/logout?"+url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {stranger}, "state": {"s"}}.Encode())
	}
	stays := func(what string, page *authztest.Page) {
		t.Helper()
		if page.Header.Get("Location") != "" || !blackbox.IsLoggedOut(page) || page.Link("back") != stranger+"?state=s" || page.Text("back") != "Go on to stranger.example" || !page.Has("unknown-client") {
			t.Errorf("%s: %d %s %s", what, page.Status, page.Header.Get("Location"), page.Body)
		}
	}
	stays("nobody signed in", logout(s.NewBrowser(t), foreign))
	b := s.SignedIn(t, nil)
	page := logout(b, foreign)
	if !page.Has("unknown-client") {
		t.Errorf("the question does not say who asks: %s", page.Body)
	}
	stays("of another session, and confirmed", b.Do(t, page.Submit(t, "logout-confirm", nil)))

	b = s.NewBrowser(t)
	verifier, challenge := authztest.PKCE()
	form := authztest.CodeForm(b.Authorize(t, paramsOfStranger(id, url.Values{"code_challenge": {challenge}})).Params.Get("code"), verifier)
	form.Set("redirect_uri", stranger)
	own := logout(b, s.Token(t, id, "", form).IDToken)
	if own.Header.Get("Location") != stranger+"?state=s" {
		t.Errorf("of this session: %d %s", own.Status, own.Header.Get("Location"))
	}

	// Without a URI to go to, the page leads nowhere: a client_uri is what the client says of itself.
	if page := s.NewBrowser(t).Get(t, s.URL+"/logout?client_id="+id); !blackbox.IsLoggedOut(page) || page.Has("back") {
		t.Errorf("a client_uri of a stranger: %s", page.Link("back"))
	}
}
