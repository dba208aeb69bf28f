package interaction_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/oauth"
)

// A step is one line of the table: from there, no way leads past it, neither for a request nor for a device, nor to the
// account page. A request that may not be asked is refused.
func TestStepIsOneLine(t *testing.T) { // not parallel: the table is shared
	open := true
	interaction.AddStep(t, "/another-step", oauth.LoginRequired, func() bool { return open })
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	leads := func(page *authztest.Page) bool {
		return strings.HasPrefix(page.Header.Get("Location"), s.URL+"/another-step")
	}

	b.Authorize(t, authztest.Request(authztest.SPA, nil)) // signs in, and ends at the page that is not there
	if page := b.Ask(t, authztest.SPA, nil); !leads(page) {
		t.Errorf("a request leads to %q", page.Header.Get("Location"))
	}
	if page := b.Get(t, s.URL+"/account"); !leads(page) {
		t.Errorf("the account page leads to %q", page.Header.Get("Location"))
	}
	silent := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}})
	if location := silent.Header.Get("Location"); !strings.Contains(location, "error="+oauth.LoginRequired) || strings.Contains(location, "code=") {
		t.Errorf("prompt=none leads to %q", location)
	}
	device := s.NewDevice(t, nil)
	if page := b.Get(t, s.URL+"/device?user_code="+device.UserCode); !leads(page) {
		t.Errorf("a device leads to %q", page.Header.Get("Location"))
	}
	if got := s.Token(t, authztest.TV, "", authztest.DeviceForm(device.Code)); got.Error != oauth.AuthorizationPending {
		t.Errorf("the device gets %+v", got)
	}

	open = false
	if answer := b.Authorize(t, authztest.Request(authztest.SPA, nil)); answer.Params.Get("code") == "" {
		t.Errorf("after the step: %+v", answer)
	}
}
