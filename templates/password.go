package templates

// ChangePassword asks a person for their present password and a new one.
//
// Inputs password, new-password, sign-out-others (yes); button password-change-submit; link account.
type ChangePassword struct {
	Action      string
	Hidden      map[string]string
	AccountURL  string
	User        User
	HasPassword bool // otherwise this is the first one, and the page does not ask for the present one
	EndOthers   bool // the box is ticked
	Problem     Problem
	NewPassword NewPassword
}

func (p ChangePassword) meta() meta { return meta{template: "change-password"} }

// WrongPassword says that the present password is not the one that was typed.
const WrongPassword Problem = "wrong_password"

// PasswordChanged is the notice after it.
const PasswordChanged NoticeOf = "password_changed"
