package config

import (
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
