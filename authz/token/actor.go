package token

// MaxActors bounds the chain of those who act for one another.
const MaxActors = 8

// Actor is the act claim (RFC 8693 section 4.1): who acts for the subject, and who did before.
type Actor struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"` // the client that the actor acts through, or is
	Actor    *Actor `json:"act,omitempty"`
}

// mayAct is the may_act claim (section 4.4): who alone may become the actor. This server puts none
// into its tokens, but one that is there counts.
type mayAct struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
}

func (a *Actor) Depth() (n int) {
	for ; a != nil; a = a.Actor {
		n++
	}
	return n
}

// Allows compares the members that are there; they say it together (RFC 8693 section 4.4).
func (m *mayAct) Allows(issuer string, a *Actor) bool {
	return (m.Issuer == "" || m.Issuer == issuer) && (m.Subject == a.Subject) && (m.ClientID == "" || m.ClientID == a.ClientID)
}
