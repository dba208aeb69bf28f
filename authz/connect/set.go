package connect

import "slices"

// Set is every upstream that people can sign in at, in the order of the sign-in page.
type Set []Connector

// Get returns the connector of an id, nil if there is none.
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

// Name is what people call a connector: its id, if it is not configured any more.
func (s Set) Name(id string) string {
	if c := s.Get(id); c != nil {
		return c.Name()
	}
	return id
}
