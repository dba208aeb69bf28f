package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/authzd/authzd/authz/member"
)

// The variables of authzd.yaml and of bff.yaml begin so. Those of a BFF mean nothing to a server beside it.
const (
	envPrefix    = "AUTHZD_"
	bffEnvPrefix = envPrefix + "BFF_"
)

// variables are those of environ that begin with the prefix, by name. Those that Kubernetes sets for a service
// called authzd are not meant for us, and an empty one counts as not set.
func variables(environ []string, prefix string) map[string]string {
	vars := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		foreign := prefix != bffEnvPrefix && strings.HasPrefix(name, bffEnvPrefix)
		if strings.HasPrefix(name, prefix) && !foreign && value != "" && !serviceLink(name, value) {
			vars[name] = value
		}
	}
	return vars
}

var (
	serviceName = regexp.MustCompile(`^AUTHZD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func serviceLink(name, value string) bool {
	return serviceName.MatchString(name) || strings.HasSuffix(name, "_PORT") && servicePort.MatchString(value)
}

// target is a value that a variable can set.
type target struct {
	path   string
	value  reflect.Value
	field  field
	isFile bool          // the variable names a file that holds the secret
	in     reflect.Value // the map that the value belongs to, under its last key; zero: none
	key    string
}

// applyEnv sets what the variables say and removes them from d.vars. Members of entries can be set
// only once the entries are there, so it is called again when entries have been added.
func (d *document) applyEnv() {
	targets := map[string][]target{}
	d.eachTarget(d.root, "", strings.TrimSuffix(d.prefix, "_"), targets)
	for _, name := range slices.Sorted(maps.Keys(d.vars)) {
		switch found := targets[name]; len(found) {
		case 0:
			continue // unknown, or yet to come
		case 1:
			d.setFromEnv(name, found[0])
		default:
			d.add(&Error{
				Variable: name, Reason: fmt.Sprintf("could mean %s or %s", found[0].path, found[1].path),
				Hint: "set it in the file, or by another identifier",
			})
		}
		d.settled[name] = d.vars[name]
		delete(d.vars, name)
	}
	d.known = slices.Sorted(maps.Keys(targets))
}

// eachTarget collects what can be set below v, by the name of the variable.
func (d *document) eachTarget(v reflect.Value, path, name string, targets map[string][]target) {
	for _, f := range fieldsOf(v.Type()) {
		fv := v.Field(f.index)
		fpath, fname := child(path, f.key), name+"_"+envName(f.key)
		switch {
		case isEntries(f.typ):
			for i := range fv.Len() {
				entry := fv.Index(i)
				d.eachTarget(entry, element(fpath, i), fname+"_"+envName(entryName(entry, i)), targets)
			}
		case f.typ.Kind() == reflect.Struct && !isScalar(f.typ):
			d.eachTarget(fv, fpath, fname, targets)
		case f.typ.Kind() == reflect.Map:
			d.eachMember(fv, fpath, fname, targets)
		default:
			targets[fname] = append(targets[fname], target{path: fpath, value: fv, field: f})
			if f.typ == typeSecret {
				targets[fname+"_FILE"] = append(targets[fname+"_FILE"], target{path: fpath, value: fv, field: f, isFile: true})
			}
		}
	}
}

// eachMember collects the members of a map that variables name, whatever they are called.
func (d *document) eachMember(m reflect.Value, path, name string, targets map[string][]target) {
	for variable := range d.vars {
		if key, ok := strings.CutPrefix(variable, name+"_"); ok {
			key = strings.ReplaceAll(strings.ToLower(key), "_", "-")
			value := reflect.New(m.Type().Elem()).Elem()
			targets[variable] = append(targets[variable], target{path: child(path, key), value: value, in: m, key: key})
		}
	}
}

// envName is the part of a variable's name that stands for a key or an identifier.
func envName(s string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return '_'
		}
		return unicode.ToUpper(r)
	}, s)
}

func (d *document) setFromEnv(name string, t target) {
	value := d.vars[name]
	d.forget(t.path)
	d.origins[t.path] = origin{variable: name}
	other := name + "_FILE"
	if t.isFile {
		other = strings.TrimSuffix(name, "_FILE")
		d.origins[t.path+"_file"] = origin{variable: name}
	}
	_, waiting := d.vars[other]
	_, done := d.settled[other]
	switch {
	case t.value.Type() == typeSecret && (waiting || done):
		d.report(t.path, nil, problemf("unset one of the two", "%s is set too", other))
	case t.isFile:
		d.setFromFile(t.value, value, t.path+"_file")
	case isScalar(t.value.Type()):
		d.set(t.value, value, t.field, t.path)
		t.intoMap()
	default:
		d.setListFromEnv(t, value)
	}
}

// intoMap puts a member that has been set into its map.
func (t target) intoMap() {
	if !t.in.IsValid() {
		return
	}
	if t.in.IsNil() {
		t.in.Set(reflect.MakeMap(t.in.Type()))
	}
	t.in.SetMapIndex(reflect.ValueOf(t.key), t.value)
}

// setListFromEnv sets a list from values separated by commas.
func (d *document) setListFromEnv(t target, value string) {
	items := strings.Split(value, ",")
	list := reflect.MakeSlice(t.field.typ, len(items), len(items))
	for i, item := range items {
		at := element(t.path, i)
		if item = strings.TrimSpace(item); item == "" {
			d.report(at, nil, problemf("separate the values by single commas", "empty entry"))
			continue
		}
		d.set(list.Index(i), item, t.field, at)
	}
	d.setList(t.value, list, t.path)
}

// forget drops what is known about the value that a variable replaces, its errors included.
func (d *document) forget(path string) {
	maps.DeleteFunc(d.secretFiles, func(p, _ string) bool { return p == path+"_file" })
	maps.DeleteFunc(d.origins, func(p string, _ origin) bool { return member.Within(p, path) || p == path+"_file" })
	d.errs = slices.DeleteFunc(d.errs, func(e *Error) bool {
		return e.Key != "" && (member.Within(e.Key, path) || e.Key == path+"_file")
	})
}

// rejectUnknownVars reports the variables that set nothing.
func (d *document) rejectUnknownVars() {
	for _, name := range slices.Sorted(maps.Keys(d.vars)) {
		hint := "unset it; names are keys of the file in capitals, such as " + d.prefix + "STORAGE_BOLT_PATH"
		if near := member.Nearest(name, d.known); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		d.add(&Error{Variable: name, Reason: "unknown variable", Hint: hint})
	}
}
