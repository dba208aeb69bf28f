package authztest

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz/client"
)

// Device is an answer of the device authorization endpoint (RFC 8628 section 3.2).
type Device struct {
	Code                    string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"` // seconds
	Interval                int    `json:"interval"`   // seconds
}

// NewDevice begins a sign-in of the public client TV. extra replaces parameters of the request.
func (s *Server) NewDevice(t testing.TB, extra url.Values) Device {
	t.Helper()
	form := url.Values{"client_id": {TV}, "scope": {"openid offline_access orders.read"}}
	for name, values := range extra {
		form[name] = values
	}
	answer := s.PostForm(t, "/device_authorization", form, nil)
	if answer.Status != http.StatusOK {
		t.Fatalf("device authorization: %d %s", answer.Status, answer.Body)
	}
	var device Device
	answer.JSON(t, &device)
	return device
}

// DeviceForm is the token request of a device.
func DeviceForm(deviceCode string) url.Values {
	return url.Values{"grant_type": {client.GrantDeviceCode}, "device_code": {deviceCode}}
}
