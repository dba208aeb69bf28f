package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"golang.org/x/oauth2"
)

// answer is what the token endpoint said: tokens or an error (RFC 6749 sections 5.1 and 5.2).
type answer struct {
	status       int
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

func (a answer) String() string {
	return fmt.Sprintf("status %d, error %q (%s)", a.status, a.Error, a.Description)
}

// refused reports whether the answer is the one error for a code or token that is no good.
func (a answer) refused() bool {
	return a.status == http.StatusBadRequest && a.Error == "invalid_grant"
}

// codeFlow is one run of the authorization code flow of the client spa, hand-made where a relying
// party's library would be in the way.
type codeFlow struct {
	s        *server
	Code     string
	Verifier string
}

// newCode gets an authorization code for spa; the browser signs in if it has to.
func newCode(s *server, b *browser) (*codeFlow, error) {
	return newScopedCode(s, b, "openid offline_access orders.read")
}

func newScopedCode(s *server, b *browser, scope string) (*codeFlow, error) {
	f := &codeFlow{s: s, Verifier: oauth2.GenerateVerifier()}
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {"spa"},
		"redirect_uri":          {spaCallback},
		"scope":                 {scope},
		"state":                 {"a-state-of-the-app"},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(f.Verifier)},
		"code_challenge_method": {"S256"},
	}
	callback, err := b.authorize(s.issuer + "/authorize?" + query.Encode())
	if err != nil {
		return nil, err
	}
	f.Code = callback.Query().Get("code")
	if f.Code == "" {
		return nil, fmt.Errorf("no code in %s", callback)
	}
	return f, nil
}

// redeem sends the code to the token endpoint. An error means that no answer arrived.
func (f *codeFlow) redeem() (answer, error) {
	return f.s.token(url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {"spa"},
		"redirect_uri":  {spaCallback},
		"code":          {f.Code},
		"code_verifier": {f.Verifier},
	})
}

// refresh sends a refresh token of spa. An error means that no answer arrived.
func (s *server) refresh(token string) (answer, error) {
	return s.token(url.Values{
		"grant_type":    {"refresh_token"},
		"client_id":     {"spa"},
		"refresh_token": {token},
	})
}

// tokenClient keeps as many connections as the racing tests have racers.
var tokenClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: racers}}

func (s *server) token(form url.Values) (answer, error) {
	resp, err := tokenClient.PostForm(s.issuer+"/token", form)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return answer{}, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return a, nil
}

// mustSignIn runs the whole flow in a new browser and returns the first tokens.
func mustSignIn(t *testing.T, s *server) answer {
	t.Helper()
	f := mustCode(t, s, newBrowser(t, s))
	return must(t)(f.redeem())
}

func mustCode(t *testing.T, s *server, b *browser) *codeFlow {
	t.Helper()
	f, err := newCode(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// must returns the tokens of an answer that has to be a good one.
func must(t *testing.T) func(answer, error) answer {
	return func(a answer, err error) answer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusOK || a.AccessToken == "" || a.RefreshToken == "" {
			t.Fatalf("no tokens: %v", a)
		}
		return a
	}
}

// mustRefuse demands 400 invalid_grant.
func mustRefuse(t *testing.T, what string) func(answer, error) {
	return func(a answer, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if !a.refused() {
			t.Fatalf("%s: %v, want 400 invalid_grant", what, a)
		}
	}
}
