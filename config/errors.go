package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// Errors is everything that is wrong with a configuration, in the order of the file.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is look at each error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// Error is one thing that is wrong, and where.
type Error struct {
	File     string // as it was named; empty if no file is to blame
	Line     int    // from 1; 0 if no line is to blame, as for a key that is missing
	Column   int    // from 1; 0 if it is not known
	Variable string // the environment variable that set the value, if one did
	Key      string // such as clients[0].redirect_uris[1]
	Value    string // what was found, quoted; secrets are masked
	Reason   string // lower case, no full stop
	Hint     string // what to do about it; may be empty
	Err      error  // the cause, if the system refused something; may be nil
}

// Error is one line: the place, the key, the value and the reason. It does not have the hint.
func (e *Error) Error() string { return e.line("") }

// Warning is the same line of what is no error.
func (e *Error) Warning() string { return e.line("warning: ") }

// Place is where it stands: file and line, or variable, and the key.
func (e *Error) Place() string {
	at := e.position()
	if at != "" && e.Key != "" {
		at += ": "
	}
	return at + e.Key
}

// position is the variable, or the file and line, as far as they are known.
func (e *Error) position() string {
	switch {
	case e.Variable != "":
		return e.Variable
	case e.Line > 0 && e.Column == 0:
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	case e.Line > 0:
		return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	return e.File
}

func (e *Error) line(kind string) string {
	var b strings.Builder
	if at := e.position(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(kind)
	if e.Key != "" {
		b.WriteString(e.Key)
		if e.Value != "" {
			b.WriteString(" " + e.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// problemf returns what is wrong with a value, apart from where it stands.
func problemf(hint, format string, args ...any) *member.Flaw {
	return member.Flawf(hint, format, args...)
}

// origin is where a value was set.
type origin struct {
	file         string
	line, column int
	variable     string
}

// report adds the problem of the value at a key, unless there is one with the key, or with what
// contains it, already: the first error is the cause, what follows from it is noise. A nil problem
// is none.
func (d *document) report(path string, value any, p *member.Flaw) {
	if p == nil || d.faulty(path) {
		return
	}
	at := d.originOf(path)
	d.add(&Error{
		File: at.file, Line: at.line, Column: at.column, Variable: at.variable,
		Key: path, Value: quote(value), Reason: p.Reason, Hint: p.Hint, Err: p.Err,
	})
}

// add keeps an error, unless there are so many that the file is something else altogether.
func (d *document) add(err *Error) {
	const most = 1000
	if len(d.errs) < most {
		d.errs = append(d.errs, err)
	}
}

func (d *document) faulty(path string) bool {
	return slices.ContainsFunc(d.errs, func(e *Error) bool {
		return e.Key != "" && member.Within(path, e.Key)
	})
}

// originOf is where the value at path was set, or else what contains it.
func (d *document) originOf(path string) origin {
	for p := path; p != ""; {
		if at, ok := d.origins[p]; ok {
			return at
		}
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
	}
	return origin{file: d.file}
}

// given tells whether the key was set by a file or a variable.
func (d *document) given(path string) bool {
	_, ok := d.origins[path]
	return ok
}

// sorted is the errors in the order of the file; those that have no line come first, and those of other files last, one
// after the other.
func (e Errors) sorted(file string) Errors {
	other := func(e *Error) string {
		if e.Line == 0 || e.File == file {
			return ""
		}
		return e.File
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(strings.Compare(other(a), other(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Variable, b.Variable), strings.Compare(a.Key, b.Key))
	})
	return e
}

// quote shows a value in an error: secrets masked, long values cut, nil not at all.
func quote(value any) string {
	const most = 120
	if value == nil {
		return ""
	}
	text := []rune(redact(fmt.Sprint(value)))
	if len(text) > most {
		return fmt.Sprintf("%q…", string(text[:most]))
	}
	return fmt.Sprintf("%q", string(text))
}

// redact masks the password of a URL.
func redact(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@")
	user, _, hasPassword := strings.Cut(rest[:max(at, 0)], ":")
	if !hasPassword {
		return text
	}
	return scheme + "://" + user + ":" + member.Mask + rest[at:]
}
