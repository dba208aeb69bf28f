// Package member is about the members of a description, such as that of a client or of a user: which types their
// values have, and what can be wrong with one.
//
//	a description -> its rules -> Problems -> the line of a file, a JSON pointer, an RFC 7591 error
//
// It is for the packages that own descriptions, and for the doors through which descriptions come: the
// configuration, the admin API, client registration.
package member

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Flaw is what is wrong with a value, apart from where it stands.
type Flaw struct {
	Reason string // lower case, no full stop
	Hint   string // what to do about it
	Err    error  // the cause, if the system refused something; may be nil

	// Told is the flaw in the words for a client that registers itself, which knows nothing of a configuration. It
	// begins with the name of the member. Empty: the member and Reason do.
	Told string
}

// Flawf returns a Flaw with a hint, and a reason in the manner of fmt.Sprintf.
func Flawf(hint, format string, args ...any) *Flaw {
	return &Flaw{Reason: fmt.Sprintf(format, args...), Hint: hint}
}

func (f *Flaw) Error() string { return f.Reason }

// Telling returns the flaw with other words for a client that registers itself.
func (f *Flaw) Telling(told string) *Flaw {
	f.Told = told
	return f
}

func (f *Flaw) Unwrap() error { return f.Err }

// Problem is one thing that is wrong with a description, and where.
type Problem struct {
	Path  string // the member and what in it is meant, such as redirect_uris[1] or jwks.keys[0].kty
	Value any    // as it was given; nil: it is missing, or not to be shown
	*Flaw
}

func (p *Problem) Error() string { return p.Path + ": " + p.Reason }

// Member returns the name of the member.
func (p *Problem) Member() string {
	name, _, _ := strings.Cut(p.Path, ".")
	name, _, _ = strings.Cut(name, "[")
	return name
}

// Pointer returns the JSON pointer of the place (RFC 6901).
func (p *Problem) Pointer() string {
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(p.Path)
}

// Child returns the path of a member of what is at a path.
func Child(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// Element returns the path of an element, from 0, of the list at a path.
func Element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// Within reports whether a path is another, or lies below it.
func Within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Problems gathers all that is wrong with a description.
type Problems []*Problem

// Add adds the flaw of the value at a path, unless there is a problem with the path, or with what contains it,
// already: the first is the cause, what follows from it is noise. A nil flaw is none.
func (ps *Problems) Add(path string, value any, f *Flaw) {
	if f != nil && !ps.Have(path) {
		*ps = append(*ps, &Problem{Path: path, Value: value, Flaw: f})
	}
}

// Have reports whether there is a problem with a path, or with what contains it.
func (ps Problems) Have(path string) bool {
	return slices.ContainsFunc(ps, func(p *Problem) bool { return Within(path, p.Path) })
}

// Touch reports whether there is a problem with a path, with what contains it, or with what it contains.
func (ps Problems) Touch(path string) bool {
	return ps.Have(path) || slices.ContainsFunc(ps, func(p *Problem) bool { return Within(p.Path, path) })
}

// Err returns all of them as one error, nil if there are none.
func (ps Problems) Err() error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
}
