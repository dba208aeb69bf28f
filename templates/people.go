package templates

import "time"

// SignUp asks for what a new account needs.
//
// Inputs name, email, new-password; button signup-submit; link login.
type SignUp struct {
	UILocales   string
	Client      *Client // that waits; nil: none
	Action      string
	Hidden      map[string]string
	LoginURL    string
	Name, Email string   // as typed before
	Domains     []string // the only ones whose addresses may sign up; empty: all
	Problem     Problem
	NewPassword NewPassword
}

func (p SignUp) meta() meta { return withLogo("sign-up", p.UILocales, p.Client) }

// NameInvalid reports whether the name is wrong.
func (p SignUp) NameInvalid() bool { return p.Problem == InvalidName }

// EmailInvalid reports whether the address is wrong.
func (p SignUp) EmailInvalid() bool {
	return p.Problem == InvalidEmail || p.Problem == DomainNotAllowed
}

// The problems of pages for people and their own accounts.
const (
	MissingDetail    Problem = "missing_detail"     // a field is empty
	InvalidName      Problem = "invalid_name"       // it has characters that no name has, or is too long
	InvalidEmail     Problem = "invalid_email"      // no e-mail address
	DomainNotAllowed Problem = "domain_not_allowed" // only those of some domains may sign up
	WrongCode        Problem = "wrong_code"         // of a mail
	VoidCode         Problem = "void_code"          // of a mail: too old, replaced, or tried too often
	TooManyMails     Problem = "too_many_mails"     // from this network
	UnusableUsername Problem = "unusable_username"
	ReservedUsername Problem = "reserved_username"
	UsernameTaken    Problem = "username_taken"
	UsernameFixed    Problem = "username_fixed" // the operator has given it
	EmailTaken       Problem = "email_taken"
	UnknownZone      Problem = "unknown_zone"
)

// CheckMail asks for the code in a mail that was sent to Email, and offers another.
//
// Input otp; buttons verify-submit, and again, which sends again=yes; link other-address.
type CheckMail struct {
	UILocales string
	Client    *Client // that waits; nil: none
	Action    string
	Hidden    map[string]string
	Email     string
	OtherURL  string // to give another address
	Problem   Problem
}

func (p CheckMail) meta() meta { return withLogo("check-mail", p.UILocales, p.Client) }

// ConfirmAddress asks a person who has opened the link in a mail whether they want the account.
//
// Button verify-submit; if the account was begun elsewhere, also the inputs name and new-password, and the button
// verify-cancel, which sends decision=cancel.
type ConfirmAddress struct {
	UILocales string
	Action    string
	Hidden    map[string]string
	Email     string
	Name      string

	// Elsewhere, if not nil, says where the account was begun: in another browser. A new password is chosen.
	Elsewhere   *Elsewhere
	Problem     Problem
	NewPassword NewPassword
}

// Elsewhere is where and when something was done in another browser.
type Elsewhere struct {
	Address string // of the network
	At      time.Time
}

func (p ConfirmAddress) meta() meta { return meta{template: "confirm-address", uiLocales: p.UILocales} }

// ForgotPassword asks for the address of an account.
//
// Input email; button reset-submit; link login.
type ForgotPassword struct {
	UILocales string
	Client    *Client // that waits; nil: none
	Action    string
	Hidden    map[string]string
	LoginURL  string
	Email     string // as typed before
	Problem   Problem
}

func (p ForgotPassword) meta() meta { return withLogo("forgot-password", p.UILocales, p.Client) }

// SetPassword asks for a new password, after a proof by mail.
//
// Inputs new-password and, for an Invited person, name; button reset-submit.
type SetPassword struct {
	UILocales   string
	Client      *Client // that waits; nil: none
	Action      string
	Hidden      map[string]string
	Email       string
	Invited     bool // it is the first password of the account
	Name        string
	Problem     Problem
	NewPassword NewPassword
}

func (p SetPassword) meta() meta { return withLogo("set-password", p.UILocales, p.Client) }

// LinkExpired says that a link or a code of a mail does not work, and offers another if AgainURL is not empty.
//
// Links again, login; the code is in error-code.
type LinkExpired struct {
	UILocales string
	Client    *Client // that waits; nil: none
	AgainURL  string
	LoginURL  string
}

func (p LinkExpired) meta() meta { return withLogo("link-expired", p.UILocales, p.Client) }

// Notice says that something is done. Its texts are notice.WHAT.heading, .text and .next.
//
// Link next.
type Notice struct {
	UILocales string
	Client    *Client // that waits; nil: none
	What      NoticeOf
	Email     string // whose mails it was about; may be empty
	NextURL   string // empty: there is nothing more to do
}

// NoticeOf is what a Notice is about.
type NoticeOf string

// The notices.
const (
	PasswordSaved  NoticeOf = "password_saved"  // after a reset or an invitation
	AccountReady   NoticeOf = "account_ready"   // the address of a new account is proved
	SignUpDeclined NoticeOf = "signup_declined" // somebody else had begun the account
	AccountGone    NoticeOf = "account_gone"    // its user has deleted it
	AddressSaved   NoticeOf = "address_saved"
	ChangeStopped  NoticeOf = "change_stopped" // of an address
	SignInEnded    NoticeOf = "sign_in_ended"  // one that was not the user's
)

func (p Notice) meta() meta { return withLogo("notice", p.UILocales, p.Client) }

// EditProfile lets people change what is known about them.
//
// Inputs name, given_name, family_name, nickname, username, locale, zoneinfo; button profile-submit.
type EditProfile struct {
	Action        string
	Hidden        map[string]string
	AccountURL    string
	User          User
	Name          string
	GivenName     string
	FamilyName    string
	Nickname      string
	Username      string
	UsernameFixed bool
	Locale        string
	Zoneinfo      string
	Problem       Problem
}

func (p EditProfile) meta() meta { return meta{template: "edit-profile"} }

// UsernameInvalid reports whether the username is wrong.
func (p EditProfile) UsernameInvalid() bool {
	return p.Problem == UnusableUsername || p.Problem == ReservedUsername || p.Problem == UsernameTaken
}

// ChangeEmail asks for another address.
//
// Input email; button email-submit.
type ChangeEmail struct {
	Action     string
	Hidden     map[string]string
	AccountURL string
	User       User
	Email      string // that the account has; may be empty
	Verified   bool
	New        string // as typed before
	Problem    Problem
}

func (p ChangeEmail) meta() meta { return meta{template: "change-email"} }

// ConfirmEmail asks a signed-in person who has opened the link in a mail whether the account shall have the address.
//
// Button verify-submit.
type ConfirmEmail struct {
	Action string
	Hidden map[string]string
	User   User
	Email  string
}

func (p ConfirmEmail) meta() meta { return meta{template: "confirm-email"} }

// StopChange asks the owner of a former address whether the change to another one shall be stopped.
//
// Button verify-submit.
type StopChange struct {
	Action string
	Hidden map[string]string
	Email  string // the former address
}

func (p StopChange) meta() meta { return meta{template: "stop-change"} }

// EndSignIn asks whether a sign-in that a mail has told of shall end.
//
// Button verify-submit.
type EndSignIn struct {
	Action                   string
	Hidden                   map[string]string
	Browser, System, Address string // each may be empty
	At                       time.Time
}

func (p EndSignIn) meta() meta { return meta{template: "end-sign-in"} }

// DeleteAccount asks whether an account shall be deleted for good.
//
// Button delete-account; link account.
type DeleteAccount struct {
	Action     string
	Hidden     map[string]string
	AccountURL string
	ExportURL  string
	User       User
}

func (p DeleteAccount) meta() meta { return meta{template: "delete-account"} }

// withLogo is the meta of a page that shows a client.
func withLogo(template, uiLocales string, c *Client) meta {
	m := meta{template: template, uiLocales: uiLocales}
	if c != nil {
		m.imageOrigin = c.logoOrigin()
	}
	return m
}
