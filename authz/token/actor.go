package token

// MaxActors bounds the chain of act claims in a token.
const MaxActors = 8

// Actor is the act claim (RFC 8693 section 4.1): the party that acts for the subject, and those that acted
// before it.
type Actor struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"` // the client that the actor uses, or is
	Actor    *Actor `json:"act,omitempty"`
}

// mayAct is the may_act claim (RFC 8693 section 4.4): the only party that may become the actor. This server puts
// none into its tokens, but honours one that a token has.
type mayAct struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
}

// Depth returns the length of the chain of actors, 0 for nil.
func (a *Actor) Depth() (n int) {
	for ; a != nil; a = a.Actor {
		n++
	}
	return n
}

// Allows reports whether an actor of an issuer may act: every member that the claim has must match (RFC 8693
// section 4.4).
func (m *mayAct) Allows(issuer string, a *Actor) bool {
	return (m.Issuer == "" || m.Issuer == issuer) && (m.Subject == a.Subject) && (m.ClientID == "" || m.ClientID == a.ClientID)
}
