package connect

import "slices"

// Set has every upstream where people can sign in, in the order of the sign-in page.
type Set []Connector

// Get returns the connector with an id, or nil if there is none.
func (s Set) Get(id string) Connector {
	for _, c := range s {
		if c.ID() == id {
			return c
		}
	}
	return nil
}

// Has reports whether people can sign in at an issuer.
func (s Set) Has(issuer string) bool {
	return slices.ContainsFunc(s, func(c Connector) bool { return c.Issuer() == issuer })
}

// Name returns the connector's name for people, or the id if it is no longer configured.
func (s Set) Name(id string) string {
	if c := s.Get(id); c != nil {
		return c.Name()
	}
	return id
}
