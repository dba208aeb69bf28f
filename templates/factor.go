package templates

// FactorPage is what the pages share that ask for another factor than the first. The person has proved the first one, so
// the pages may name them.
//
// Button factor-cancel, which sends decision=cancel: back to the app, or out of the sign-in.
type FactorPage struct {
	UILocales  string
	Client     *Client // nil: a sign-in to this server's own pages
	Action     string
	Hidden     map[string]string
	User       User
	Problem    Problem
	AnotherURL string // the page with all ways
}

// The problems of factors.
const (
	WrongOTP          Problem = "wrong_otp"           // also for a code that was used
	WrongRecoveryCode Problem = "wrong_recovery_code" // also for one that was used
)

// Invalid reports whether the typed code is wrong.
func (p FactorPage) Invalid() bool {
	return p.Problem == WrongOTP || p.Problem == WrongRecoveryCode
}

// OTP asks for a code of the authenticator app.
//
// Inputs otp, remember-me; button otp-submit; link use-another-way.
type OTP struct {
	FactorPage
	RememberDevice bool // offer to ask no more on this device
	Locked         bool // too many wrong codes have ended the factor, and there is no other
}

func (p OTP) meta() meta { return withLogo("otp", p.UILocales, p.Client) }

// RecoveryCode asks for a recovery code.
//
// Input recovery-code; button recovery-submit; link use-another-way.
type RecoveryCode struct{ FactorPage }

func (p RecoveryCode) meta() meta { return withLogo("recovery-code", p.UILocales, p.Client) }

// AnotherWay lets a person choose how to prove who they are.
//
// Links way-passkey, way-totp, way-recovery.
type AnotherWay struct {
	FactorPage
	PasskeyURL  string // empty: it can't be used
	TOTPURL     string // empty: it can't be used
	RecoveryURL string // empty: it can't be used
}

func (p AnotherWay) meta() meta { return withLogo("another-way", p.UILocales, p.Client) }

// EnrolTOTP sets up an authenticator app. The secret is in the page as text and as a drawing, so no address has it.
//
// Element totp-secret; input otp; button otp-submit; if it is demanded, button factor-cancel as on a FactorPage.
type EnrolTOTP struct {
	UILocales string
	Client    *Client
	Action    string
	Hidden    map[string]string
	User      User
	Problem   Problem
	Secret    string // as a person types it
	QRPath    string // of an SVG image with QRSize units a side, to be stroked
	QRSize    int
	Wanted    bool   // the account or the app demands it; otherwise the user has asked for it
	CancelURL string // empty: there is no way back
}

func (p EnrolTOTP) meta() meta { return withLogo("enrol-totp", p.UILocales, p.Client) }

// Invalid reports whether the typed code is wrong.
func (p EnrolTOTP) Invalid() bool { return p.Problem == WrongOTP }

// RecoveryCodes shows new recovery codes, this once.
//
// List recovery-codes; link recovery-done.
type RecoveryCodes struct {
	UILocales   string
	User        User
	Codes       []string
	ContinueURL string
}

func (p RecoveryCodes) meta() meta { return meta{template: "recovery-codes", uiLocales: p.UILocales} }
