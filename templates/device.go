package templates

// DeviceCode asks for the code that a device shows (RFC 8628 section 3.3).
//
// Input user_code; button device-submit.
type DeviceCode struct {
	UILocales string
	Action    string
	Hidden    map[string]string
	UserCode  string // as typed before
	Problem   Problem
}

func (p DeviceCode) meta() meta { return meta{template: "device-code", uiLocales: p.UILocales} }

// Invalid reports whether the typed code is wrong.
func (p DeviceCode) Invalid() bool { return p.Problem != NoProblem && p.Problem != TooManyAttempts }

// The problems of a user code. There is also TooManyAttempts.
const (
	MissingCode Problem = "missing_code" // no user code
	UnknownCode Problem = "unknown_code" // also for one that was used
	ExpiredCode Problem = "expired_code"
)

// DeviceConfirm asks whether the client on the device may have the access that it requests, and whether the
// device is at hand, because somebody else may have sent the code (RFC 8628 section 5.4).
//
// Buttons consent-allow and consent-deny send decision=allow or decision=deny.
type DeviceConfirm struct {
	UILocales       string
	Client          Client
	Action          string
	Hidden          map[string]string
	User            User
	OtherAccountURL string
	UserCode        string // as the device shows it
	Scopes          []Scope
	Details         []AuthorizationDetail
	Detail          *ErrorDetail // development only: what was requested and left out
}

func (p DeviceConfirm) meta() meta {
	return meta{template: "device-confirm", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
}

// Said reports whether the heading says what the only detail is: it never does, because it names the device.
func (p DeviceConfirm) Said() bool { return false }

// Pays returns the payment that the buttons name: none, since they connect the device too.
func (p DeviceConfirm) Pays() *Payment { return nil }

// DeviceDone sends the user back to the device.
type DeviceDone struct {
	UILocales string
	Client    Client
	Allowed   bool
}

func (p DeviceDone) meta() meta {
	return meta{template: "device-done", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
}
