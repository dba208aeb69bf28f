package templates

// NewPassword is the field of a page for a new password, by the part "new_password". Input new-password; link
// show-password; what is wrong stands in new-password-refused.
type NewPassword struct {
	Least   int      // the least length, in characters
	Refused Weakness // empty: it is not refused
	Seen    int      // how often it was found in leaks, if that is the reason
}

// Weakness is why a new password is refused: a reason of package password.
type Weakness string
