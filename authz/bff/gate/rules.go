package gate

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/bff/websession"
)

// site is a Host, prepared.
type site struct {
	url   string // its origin
	host  string // normal form
	rules []Rule
}

// rule returns the rule of a request. It is nil if there is none, or if the path could mean different rules to different
// servers.
func (s *site) rule(r *Request) *Rule {
	rule := s.first(r.Method, r.Path, false)
	if rule == nil {
		return nil
	}
	all, ok := readings(r.Path)
	if !ok {
		return nil
	}
	for _, reading := range all {
		if s.first(r.Method, reading, true) != rule {
			return nil
		}
	}
	return rule
}

// first returns the first rule that a path matches.
func (s *site) first(method, path string, fold bool) *Rule {
	for i := range s.rules {
		if rule := &s.rules[i]; rule.hasMethod(method) && rule.hasPath(path, fold) {
			return rule
		}
	}
	return nil
}

func (r *Rule) hasMethod(method string) bool {
	if method == "HEAD" && slices.Contains(r.Methods, "GET") {
		return true
	}
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

// hasPath reports whether the rule is for a path. fold compares as servers do that know no upper and lower case.
func (r *Rule) hasPath(path string, fold bool) bool {
	own := strings.TrimSuffix(r.Path, "/")
	if len(path) < len(own) || path[:len(own)] != own && !(fold && strings.EqualFold(path[:len(own)], own)) {
		return false
	}
	rest := path[len(own):]
	if r.Exact {
		return rest == "" || rest == "/"
	}
	return rest == "" || rest[0] == '/'
}

// allows reports whether the rule lets a session through. session is nil if there is none.
func (r *Rule) allows(session *websession.Session) bool {
	switch {
	case r.Allow == Anonymous:
		return true
	case session == nil || r.Allow == Nobody:
		return false
	case r.Allow == SignedIn:
		return true
	}
	return session.HasRole(r.Roles...) ||
		slices.ContainsFunc(r.Groups, func(group string) bool { return slices.Contains(session.Groups, group) })
}
