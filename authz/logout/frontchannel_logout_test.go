package logout_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// frameURI is the frontchannel_logout_uri of the clients in these tests, on the origin of their
// redirect URI.
const frameURI = "https://app.example.com/frame?app="

func withFrames(m *client.Metadata) {
	withBack(m)
	if m.ID == authztest.SPA || m.ID == authztest.ThirdParty {
		m.FrontChannelURI = frameURI + m.ID
	}
}

var frameSource = regexp.MustCompile(`<iframe[^>]* src="([^"]*)"`)

// framesOf returns the frames of a page.
func framesOf(page *authztest.Page) []string {
	var frames []string
	for _, match := range frameSource.FindAllStringSubmatch(page.Body, -1) {
		frames = append(frames, html.UnescapeString(match[1]))
	}
	slices.Sort(frames)
	return frames
}

// frame is the URL by which a client is told of the end of a session.
func frame(s *authztest.Server, clientID, sid string) string {
	return frameURI + clientID + "&" + url.Values{"iss": {s.URL}, "sid": {sid}}.Encode()
}

func TestFrontChannelLogoutSection2_1_Discovery(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	document := blackbox.GetJSON(t, s, "/.well-known/openid-configuration", "")
	for _, name := range []string{"frontchannel_logout_supported", "frontchannel_logout_session_supported"} {
		if document[name] != true {
			t.Errorf("%s is %v", name, document[name])
		}
	}
}

// Section 3: the page has a frame for each client of the session, with iss and sid, and goes on to the
// app that asked. The policy allows these frames and no others.
func TestFrontChannelLogoutSection3_Frames(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withFrames)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	b.SignIn(t, authztest.ThirdParty, nil)
	b.SignIn(t, authztest.Web, nil) // wants nothing
	sid := blackbox.Claims(t, tokens.IDToken)["sid"].(string)

	page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}, "state": {"s&t"}})
	if page.Status != http.StatusOK || page.Header.Get("Location") != "" || !strings.Contains(page.Body, "You’re signed out") {
		t.Fatalf("%d %s %.500s", page.Status, page.Header.Get("Location"), page.Body)
	}
	want := []string{frame(s, authztest.ThirdParty, sid), frame(s, authztest.SPA, sid)}
	if got := framesOf(page); !slices.Equal(got, want) {
		t.Errorf("frames %v, want %v", got, want)
	}
	if !strings.Contains(page.Body, html.EscapeString(back+"?state=s%26t")) || !strings.Contains(page.Body, "http-equiv") {
		t.Errorf("the page leads nowhere: %.1500s", page.Body)
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-src https://app.example.com;") && !strings.HasSuffix(policy, "frame-src https://app.example.com") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if isSignedIn(t, b) {
		t.Error("still signed in")
	}
	if got := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}}); got.Header.Get("Location") != back {
		t.Errorf("a second logout has no frames to show: %d %s", got.Status, got.Header.Get("Location"))
	}
}

// Section 3: no frames for a request that could come from anybody, before the user has agreed; then
// frames, and no way on.
func TestFrontChannelLogoutSection3_Confirmed(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withFrames)
	b := s.NewBrowser(t)
	b.SignIn(t, authztest.SPA, nil)
	page := logOut(t, b, url.Values{"client_id": {authztest.SPA}, "post_logout_redirect_uri": {back}})
	if frames := framesOf(page); len(frames) != 0 {
		t.Errorf("frames before the question is answered: %v", frames)
	}
	page = confirm(t, b, page)
	if frames := framesOf(page); len(frames) != 1 || !blackbox.IsLoggedOut(page) || strings.Contains(page.Body, "<script") {
		t.Errorf("frames %v: %.900s", frames, page.Body)
	}
}

// The sid of a frame is the client's own, as in its ID token.
func TestFrontChannelLogoutSection3_PairwiseSession(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		withFrames(m)
		if m.ID == authztest.SPA {
			m.SubjectType = client.SubjectPairwise
		}
	})
	b := s.NewBrowser(t)
	ofSPA, ofPartner := b.SignIn(t, authztest.SPA, nil), b.SignIn(t, authztest.ThirdParty, nil)
	page := logOut(t, b, url.Values{"id_token_hint": {ofSPA.IDToken}})
	want := []string{
		frame(s, authztest.ThirdParty, blackbox.Claims(t, ofPartner.IDToken)["sid"].(string)),
		frame(s, authztest.SPA, blackbox.Claims(t, ofSPA.IDToken)["sid"].(string)),
	}
	if got := framesOf(page); !slices.Equal(got, want) || blackbox.Claims(t, ofSPA.IDToken)["sid"] == blackbox.Claims(t, ofPartner.IDToken)["sid"] {
		t.Errorf("frames %v, want %v", got, want)
	}
}
