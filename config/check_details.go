package config

import (
	"fmt"
	"slices"

	"github.com/authzd/authzd/authz/member"
)

// sharedFields are the members that all types of authorization_details have (RFC 9396 sections 2 and
// 2.2).
var sharedFields = []string{"type", "locations", "actions", "datatypes", "identifier", "privileges"}

func (l *loader) checkDetailType(t *DetailType, path string) {
	l.checkLabel(path+".name", t.Name)
	l.checkEach(path+".fields", t.Fields, func(name string) *member.Flaw {
		if slices.Contains(sharedFields, name) {
			return problemf("remove it", "all types have it")
		}
		return checkNotEmpty(name)
	})
	l.checkEach(path+".required", t.Required, func(name string) *member.Flaw {
		if name == "type" || (!slices.Contains(sharedFields, name) && !slices.Contains(t.Fields, name)) {
			return problemf("list it under fields too", "not a member that this type has")
		}
		return nil
	})
}

// checkClientDetails demands that a resource of the client's knows each type that it may use.
func (l *loader) checkClientDetails(c *Client, path string) {
	var declared, ofClient []string
	for _, r := range l.cfg.Resources {
		for _, t := range r.AuthorizationDetailsTypes {
			declared = append(declared, t.Type)
			if slices.Contains(c.Resources, r.Resource) {
				ofClient = append(ofClient, t.Type)
			}
		}
	}
	l.checkEach(path+".authorization_details_types", c.AuthorizationDetailsTypes, func(s string) *member.Flaw {
		switch {
		case slices.Contains(ofClient, s):
			return nil
		case slices.Contains(declared, s):
			return problemf("add that resource to the client's resources", "belongs to a resource that the client doesn't have")
		}
		hint := "declare it under authorization_details_types of a resource"
		if near := member.Nearest(s, ofClient); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return problemf(hint, "no such type")
	})
}
