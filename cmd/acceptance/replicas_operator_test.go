package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// operate asks at the operator's door of a server, its admin socket, for a change, and reads the answer
// into out unless that is nil.
func (s *server) operate(t *testing.T, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if in == nil {
		body = nil
	}
	req, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", map[bool]string{true: "application/merge-patch+json", false: "application/json"}[method == http.MethodPatch])
	door := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.dir+"/admin.sock")
	}}}
	resp, err := door.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: status %d, %v: %s", method, path, resp.StatusCode, err, said)
	}
	if out != nil {
		if err := json.Unmarshal(said, out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, said)
		}
	}
}

// subOf is the id of a user.
func (s *server) subOf(t *testing.T, username string) string {
	t.Helper()
	var found struct {
		Items []struct {
			Sub string `json:"sub"`
		} `json:"items"`
	}
	s.operate(t, "GET", "/v1/users?username="+username, nil, &found)
	if len(found.Items) == 0 {
		t.Fatalf("there is no user %s", username)
	}
	return found.Items[0].Sub
}

// operated is what the changes of TestReplicasOperator are about.
type operated struct {
	*replicas
	old, secret string // the secrets of the client batch
	carol       *browser
	tokens      answer // of Carol
}

const (
	firstCallback = "https://portal.example.com/first"
	nextCallback  = "https://portal.example.com/next"
	firstPassword = "the first of her passwords"
	nextPassword  = "and here is the next one"
)

// service says whether a replica gives the client batch a token for that secret.
func (o *operated) service(t *testing.T, node *server, secret string) bool {
	t.Helper()
	a, err := node.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"batch"}, "client_secret": {secret}})
	if err != nil || a.status != http.StatusOK && a.Error != "invalid_client" {
		t.Fatal(a, err)
	}
	return a.status == http.StatusOK
}

// signsIn says whether Carol gets into spa with that password at a replica.
func (o *operated) signsIn(t *testing.T, node *server, password string) bool {
	t.Helper()
	b := o.at(node, newBrowser(t, &o.server))
	b.username, b.password = "carol", password
	f, err := newCode(&o.server, b)
	if err != nil && !strings.Contains(err.Error(), "leads nowhere") {
		t.Fatal(err)
	}
	if err == nil {
		o.carol, o.tokens = b, must(t)(f.redeem())
	}
	return err == nil
}

// leadsTo says whether a replica sends browsers to that URI of the client portal.
func (o *operated) leadsTo(t *testing.T, node *server, redirectURI string) bool {
	t.Helper()
	refusal := o.silently(t, node, newBrowser(t, &o.server), "portal", redirectURI)
	if refusal != "login_required" && !strings.Contains(refusal, "redirect_uri_mismatch") && !strings.Contains(refusal, "invalid_client") {
		t.Fatal(refusal)
	}
	return refusal == "login_required"
}

// A change by the operator at one replica takes effect at all of them with the next request.
func TestReplicasOperator(t *testing.T) {
	t.Parallel()
	o := &operated{replicas: startReplicas(t, 3, "", "signing: {alg: ES256, rotate_every: 1h, announce: 6s}")}
	type made struct {
		Secret string `json:"client_secret"`
	}
	for i, tc := range []struct {
		name   string
		change func(t *testing.T, door *server)
		right  func(t *testing.T, node *server) bool
	}{
		{"a client is created", func(t *testing.T, door *server) {
			var m made
			door.operate(t, "POST", "/v1/clients", map[string]any{"client_id": "batch", "preset": "service", "token_endpoint_auth_method": "client_secret_post", "scope": "orders.read", "resources": []string{apiResource}}, &m)
			o.secret = m.Secret
		}, func(t *testing.T, node *server) bool {
			return o.service(t, node, o.secret) && !o.service(t, node, "guess")
		}},
		{"its secret is rotated", func(t *testing.T, door *server) {
			var m made
			door.operate(t, "POST", "/v1/clients/batch/rotate-secret", map[string]any{}, &m)
			o.old, o.secret = o.secret, m.Secret
		}, func(t *testing.T, node *server) bool {
			return o.service(t, node, o.secret) && !o.service(t, node, o.old)
		}},
		{"its secret is rotated, with an overlap", func(t *testing.T, door *server) {
			var m made
			door.operate(t, "POST", "/v1/clients/batch/rotate-secret", map[string]any{"overlap": "1h"}, &m)
			o.old, o.secret = o.secret, m.Secret
		}, func(t *testing.T, node *server) bool {
			return o.service(t, node, o.secret) && o.service(t, node, o.old)
		}},
		{"a client is deleted", func(t *testing.T, door *server) { door.operate(t, "DELETE", "/v1/clients/batch", nil, nil) },
			func(t *testing.T, node *server) bool { return !o.service(t, node, o.secret) }},

		{"a client with a redirect URI", func(t *testing.T, door *server) {
			door.operate(t, "POST", "/v1/clients", map[string]any{"client_id": "portal", "preset": "spa", "redirect_uris": []string{firstCallback}}, nil)
		}, func(t *testing.T, node *server) bool {
			return o.leadsTo(t, node, firstCallback) && !o.leadsTo(t, node, nextCallback)
		}},
		{"its redirect URI changes", func(t *testing.T, door *server) {
			door.operate(t, "PATCH", "/v1/clients/portal", map[string]any{"redirect_uris": []string{nextCallback}}, nil)
		}, func(t *testing.T, node *server) bool {
			return !o.leadsTo(t, node, firstCallback) && o.leadsTo(t, node, nextCallback)
		}},

		{"a user is created", func(t *testing.T, door *server) {
			door.operate(t, "POST", "/v1/users", map[string]any{"username": "carol", "password": firstPassword, "roles": []string{"buyer"}}, nil)
		}, func(t *testing.T, node *server) bool {
			return o.signsIn(t, node, firstPassword) && !o.signsIn(t, node, nextPassword) && hasRole(t, o.tokens, "buyer")
		}},
		{"her roles change", func(t *testing.T, door *server) {
			door.operate(t, "PATCH", "/v1/users/"+door.subOf(t, "carol"), map[string]any{"roles": []string{"seller"}}, nil)
		}, func(t *testing.T, node *server) bool {
			o.tokens = must(t)(node.refresh(o.tokens.RefreshToken))
			return hasRole(t, o.tokens, "seller") && !hasRole(t, o.tokens, "buyer")
		}},
		{"her password changes", func(t *testing.T, door *server) {
			door.operate(t, "POST", "/v1/users/"+door.subOf(t, "carol")+"/set-password", map[string]any{"password": nextPassword}, nil)
		}, func(t *testing.T, node *server) bool {
			return !o.signsIn(t, node, firstPassword) && o.signsIn(t, node, nextPassword)
		}},
		{"she is disabled", func(t *testing.T, door *server) {
			door.operate(t, "PATCH", "/v1/users/"+door.subOf(t, "carol"), map[string]any{"disabled": true}, nil)
		}, func(t *testing.T, node *server) bool {
			mustRefuse(t, "her refresh token")(node.refresh(o.tokens.RefreshToken))
			return !o.signsIn(t, node, nextPassword) && userinfo(t, node, o.tokens.AccessToken) == http.StatusUnauthorized &&
				o.silently(t, node, o.carol, "spa", spaCallback) == "login_required"
		}},
		{"she is enabled again", func(t *testing.T, door *server) {
			door.operate(t, "PATCH", "/v1/users/"+door.subOf(t, "carol"), map[string]any{"disabled": false}, nil)
		}, func(t *testing.T, node *server) bool { return o.signsIn(t, node, nextPassword) }},
		{"she is deleted", func(t *testing.T, door *server) {
			door.operate(t, "DELETE", "/v1/users/"+door.subOf(t, "carol"), nil, nil)
		}, func(t *testing.T, node *server) bool {
			mustRefuse(t, "her refresh token")(node.refresh(o.tokens.RefreshToken))
			return !o.signsIn(t, node, nextPassword)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.change(t, o.nodes[i%len(o.nodes)])
			for node := range o.nodes {
				if !tc.right(t, o.nodes[(i+1+node)%len(o.nodes)]) { // the others first
					t.Errorf("not at replica %d", (i+1+node)%len(o.nodes))
				}
			}
		})
	}
	t.Run("signing keys are rotated", func(t *testing.T) { o.rotate(t) })
}

func hasRole(t *testing.T, tokens answer, role string) bool {
	t.Helper()
	var claims struct {
		Roles []string `json:"roles"`
	}
	readJWT(t, tokens.AccessToken, 1, &claims)
	return len(claims.Roles) == 1 && claims.Roles[0] == role
}
