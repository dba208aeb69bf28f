package session

import "time"

// ProvenAuthTime is when the user of the session has signed in, zero if nothing proves that.
func (s *Session) ProvenAuthTime() time.Time {
	if s.Unproven {
		return time.Time{}
	}
	return s.AuthTime
}
