package blackbox

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
)

// PostTo posts a form to a server, without a network. A secret makes it authenticate by client_secret_basic.
func PostTo(s http.Handler, path, clientID, secret string, form url.Values) *httptest.ResponseRecorder {
	form = maps.Clone(form)
	if secret == "" && clientID != "" {
		form.Set("client_id", clientID)
	}
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	request.Header = FormHeader()
	if secret != "" {
		request.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

// Redeem is PostTo for the token endpoint.
func Redeem(t *testing.T, h http.Handler, clientID, secret string, form url.Values) (tokens authztest.Tokens) {
	t.Helper()
	response := PostTo(h, "/token", clientID, secret, form)
	if err := json.Unmarshal(response.Body.Bytes(), &tokens); err != nil {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	tokens.Status, tokens.Header = response.Code, response.Header()
	return tokens
}

// FormHeader returns the header of a form.
func FormHeader() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}

// GetJSON calls an endpoint with a bearer token and decodes the answer.
func GetJSON(t *testing.T, s *authztest.Server, path, token string) map[string]any {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return answer
}

// ErrorOf returns the error code of an answer, "" for a success. The status must fit the code.
func ErrorOf(t *testing.T, response authztest.Response) string {
	t.Helper()
	var body struct {
		Error string `json:"error"`
	}
	if response.Body != "" {
		response.JSON(t, &body)
	}
	want := map[string]int{"": http.StatusOK, "invalid_client": http.StatusUnauthorized}[body.Error]
	if want == 0 {
		want = http.StatusBadRequest
	}
	if response.Status != want {
		t.Errorf("status %d with error %q: %s", response.Status, body.Error, response.Body)
	}
	return body.Error
}

// Basic returns the Authorization header of a confidential client.
func Basic(clientID string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID)+":"+url.QueryEscape(authztest.Secret)))
}

// Discovery returns the metadata of the server.
func Discovery(t *testing.T, s *authztest.Server) map[string]any {
	t.Helper()
	var metadata map[string]any
	if err := json.Unmarshal(GetFrom(s, "/.well-known/openid-configuration").Body.Bytes(), &metadata); err != nil {
		t.Fatal(err)
	}
	return metadata
}

// TokenAnswer posts to the token endpoint and returns all members of the answer.
func TokenAnswer(t *testing.T, s *authztest.Server, clientID, secret string, form url.Values) map[string]any {
	t.Helper()
	header := http.Header{}
	if secret == "" {
		form.Set("client_id", clientID)
	} else {
		header.Set("Authorization", Basic(clientID))
	}
	answer := map[string]any{}
	s.PostForm(t, "/token", form, header).JSON(t, &answer)
	return answer
}

// GetFrom gets a path of a server, without a network.
func GetFrom(handler http.Handler, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "http://example.com"+path, nil))
	return recorder
}

// UserinfoStatus returns the status of the userinfo endpoint for a token.
func UserinfoStatus(t *testing.T, s *authztest.Server, token string) (status int) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.URL+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// SaysWhen reports whether an answer says in how many seconds to come back, and whether these are most or fewer.
func SaysWhen(header http.Header, most int) bool {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	return err == nil && 1 <= seconds && seconds <= most
}

// PostAs posts a form as a confidential client, or without authentication if clientID is "", and decodes the answer.
func PostAs(t *testing.T, s *authztest.Server, path, clientID string, form url.Values) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if clientID != "" {
		request.SetBasicAuth(clientID, url.QueryEscape(authztest.Secret))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if response.ContentLength != 0 {
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, answer
}
