package templates

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/member"
)

// An operator's own templates stand in a folder, each with the name of ours that it replaces. What parts.html defines
// replaces single parts; the others stay.
//
//	folder -> readOwn -> own -> Renderer, Letters
//	                         -> package inspect: draws them with every page of package gallery, for the operator

// The templates that every page has.
const (
	layoutFile = "layout.html"
	partsFile  = "parts.html"
)

// MaxTemplate bounds the file of a template, in bytes.
const MaxTemplate = 256 << 10

// TemplateError is one thing that is wrong with an operator's template.
type TemplateError struct {
	File         string // path of the file
	Line, Column int    // from 1; Column is 0 if it is not known
	Reason       string // lower case, no full stop
	Hint         string // what to do about it
}

func (e *TemplateError) Error() string {
	return fmt.Sprintf("%s:%d: %s; %s", e.File, e.Line, e.Reason, e.Hint)
}

// own has the operator's templates by the name of the file.
type own map[string]string

// TemplateNames lists the templates that an operator may replace: those of pages, then those of mails.
func TemplateNames() []string {
	pages, err := fs.Glob(htmlFiles, "html/*")
	letters, err2 := fs.Glob(letterFiles, "letter/*")
	if err := errors.Join(err, err2); err != nil {
		panic(err) // a malformed pattern
	}
	names := append(pages, letters...)
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

// Template returns the text of one of TemplateNames as it is without an operator's.
func Template(name string) (string, error) {
	files, path := fs.FS(htmlFiles), "html/"+name
	if strings.HasPrefix(name, "letter.") {
		files, path = letterFiles, "letter/"+name
	}
	text, err := fs.ReadFile(files, path)
	if err != nil {
		return "", fmt.Errorf("no template %q", name)
	}
	return string(text), nil
}

// OwnTemplates returns the names of the operator's templates in a folder, sorted. The error joins a *TemplateError for
// each file that can't be one, or is the system's if the folder can't be read.
func OwnTemplates(folder string) ([]string, error) {
	texts, err := readOwn(folder)
	var names []string
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, err
}

// readOwn reads the folder; "" has no templates. Files whose names begin with a dot are left alone: editors and
// Kubernetes put some there.
func readOwn(folder string) (own, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("branding templates: %w", err)
	}
	texts, errs := own{}, []error(nil)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		text, flaw := readTemplate(filepath.Join(folder, entry.Name()))
		if flaw != nil {
			errs = append(errs, flaw)
			continue
		}
		texts[entry.Name()] = text
	}
	return texts, errors.Join(errs...)
}

// readTemplate reads one file of the folder.
func readTemplate(file string) (string, *TemplateError) {
	refuse := func(line int, hint, format string, args ...any) (string, *TemplateError) {
		return "", &TemplateError{File: file, Line: line, Reason: fmt.Sprintf(format, args...), Hint: hint}
	}
	name := filepath.Base(file)
	if names := TemplateNames(); !slices.Contains(names, name) {
		hint := "\"authzd template list\" lists them"
		if near := member.Nearest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return refuse(1, hint, "there is no template of this name to replace")
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return refuse(1, "let this process read it", "%v", errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return refuse(1, "remove it", "is not a file")
	case info.Size() > MaxTemplate:
		return refuse(1, "make it smaller", "%d bytes, must be at most %d", info.Size(), MaxTemplate)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return refuse(1, "let this process read it", "%v", errors.Unwrap(err))
	}
	if !utf8.Valid(text) {
		return refuse(1, "save it as UTF-8", "is not UTF-8")
	}
	if at := emptyDefinition.FindSubmatchIndex(text); at != nil {
		define := string(text[at[2]:at[3]])
		return refuse(1+strings.Count(string(text[:at[2]]), "\n"), `write {{define "`+define+`"}}{{""}}{{end}}`, "an empty definition replaces nothing")
	}
	return string(text), nil
}

// emptyDefinition is one that Go's templates leave out if there is another of the same name.
var emptyDefinition = regexp.MustCompile(`\{\{-?\s*define\s+"([^"]*)"\s*-?\}\}\s*\{\{-?\s*end\s*-?\}\}`)

// text returns the operator's template, or ours.
func (o own) text(name string) (string, error) {
	if text, ok := o[name]; ok {
		return text, nil
	}
	return Template(name)
}

// location is how the template packages begin their errors, parsing, escaping and drawing.
var location = regexp.MustCompile(`(?:html/)?template: ?([a-z-]+\.(?:html|txt)):(\d+)(?::(\d+))?: (?s:(.*))$`)

// Locate returns what the error of a Renderer or of Letters says about one of the operator's templates in a folder; nil if
// it is about something else. An error in one of our templates, such as a part that theirs does not have, is about
// the file called instead.
func Locate(err error, folder, instead string) *TemplateError {
	at := location.FindStringSubmatch(err.Error())
	if at == nil {
		return nil
	}
	line, _ := strconv.Atoi(at[2])
	column, _ := strconv.Atoi(cmp.Or(at[3], "0"))
	e := &TemplateError{File: filepath.Join(folder, at[1]), Line: line, Column: column, Reason: at[4], Hint: hintFor(at[1])}
	if _, err := os.Stat(e.File); err != nil {
		*e = TemplateError{File: filepath.Join(folder, instead), Line: 1, Reason: at[4] + " (in our " + at[1] + ", line " + at[2] + ")", Hint: hintFor(instead)}
	}
	return e
}

func hintFor(name string) string {
	return fmt.Sprintf("compare it with %q", "authzd template print "+name)
}
