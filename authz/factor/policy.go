package factor

// Policy says how strongly people must prove who they are. Of several rules the strongest counts.
type Policy struct {
	Everybody  Level            // 0: one factor
	Roles      map[string]Level // of users with the role
	Connectors map[string]Level // of users who come from the upstream, by the id of the connector
	// Trusted are the ids of connectors whose amr counts: "mfa" there is a sign-in with two factors.
	Trusted map[string]bool
}

// OfAccount returns the level that every sign-in of a user with these roles needs, for any app, if they come from this
// connector; "" is the password.
func (p *Policy) OfAccount(roles []string, connector string) Level {
	level := max(One, p.Everybody, p.Connectors[connector])
	for _, role := range roles {
		level = max(level, p.Roles[role])
	}
	return level
}

// Always reports whether every sign-in of a user with these roles needs a second factor after the password.
func (p *Policy) Always(roles []string) bool { return p.OfAccount(roles, "") >= Two }

// Demanded returns the level of a demand in the configuration: "required", "passkey", or anything else for none.
func Demanded(demand string) Level {
	switch demand {
	case "required":
		return Two
	case "passkey":
		return PhishingResistant
	}
	return One
}

// OfUpstream returns the level that an upstream's amr proves (RFC 8176).
func (p *Policy) OfUpstream(connector string, amr []string) Level {
	if p.Trusted[connector] {
		for _, method := range amr {
			if method == "mfa" {
				return Two
			}
		}
	}
	return One
}
