package blackbox

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
)

// PollDevice asks for the tokens of a device as the client TV.
func PollDevice(t *testing.T, s *authztest.Server, d authztest.Device) authztest.Tokens {
	t.Helper()
	return s.Token(t, authztest.TV, "", authztest.DeviceForm(d.Code))
}

// ApproveDevice lets Alice sign in and allow, and fails if she can't.
func ApproveDevice(t *testing.T, b *authztest.Browser, d authztest.Device) {
	t.Helper()
	if page := b.Walk(t, d.VerificationURIComplete).Page; page == nil || !strings.Contains(page.Body, "Your device is connected") {
		t.Fatalf("not approved: %v", page)
	}
}
