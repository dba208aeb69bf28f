package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

// field is one key, as its Go struct field declares it.
type field struct {
	key       string
	name      string // of the Go field, which its comment is found by
	index     int
	typ       reflect.Type
	enum      []string // the only values allowed, of the elements if it is a list
	required  bool
	multiline bool   // line breaks are allowed
	path      string // not empty: it names a file or folder
}

// fieldsOf lists the keys of a struct in the order of the manual.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		key := member.Name(sf)
		if key == "" {
			continue
		}
		f := field{
			key: key, name: sf.Name, index: i, typ: sf.Type,
			required: sf.Tag.Get("required") != "", multiline: sf.Tag.Get("multiline") != "",
			path: sf.Tag.Get("path"), enum: member.Enum(sf),
		}
		fields = append(fields, f)
	}
	return fields
}

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typeLifetime = reflect.TypeFor[member.Duration]()
	typeGrace    = reflect.TypeFor[*member.Duration]()
	typePrefix   = reflect.TypeFor[netip.Prefix]()
	typeScopes   = reflect.TypeFor[member.Scopes]()
	typePaths    = reflect.TypeFor[PathList]()
	typeSecret   = reflect.TypeFor[member.Secret]()
	typeNumber   = reflect.TypeFor[*int]()
	typeSwitch   = reflect.TypeFor[*bool]()
	typeTime     = reflect.TypeFor[*time.Time]()
	typeJWKS     = reflect.TypeFor[client.JWKS]()
)

// isScalar tells whether a value of this type is written as one word or string.
func isScalar(t reflect.Type) bool {
	switch t {
	case typeDuration, typeLifetime, typeGrace, typePrefix, typeScopes, typeNumber, typeSwitch, typeTime, typeJWKS:
		return true
	}
	return t.Kind() == reflect.String || t.Kind() == reflect.Bool
}

// isEntries tells whether this is a list of clients, users and the like. The first field of such
// a type is its identifier, unless it is a secret.
func isEntries(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem() != typePrefix
}

// entryName is what environment variables call an entry: its identifier, or else its place in the
// list, from 0.
func entryName(entry reflect.Value, i int) string {
	if id := entry.Field(0); id.Type() != typeSecret {
		return id.String()
	}
	return strconv.Itoa(i)
}

// fileKey is the key that names a file with the secret of this key.
func (f field) fileKey() string { return f.key + "_file" }

// setScalar parses text, from the file or a variable, into v.
func setScalar(v reflect.Value, text string, f field) *member.Flaw {
	switch v.Type() {
	case typeDuration, typeLifetime:
		d, p := member.ParseDuration(text)
		v.SetInt(int64(d))
		return p
	case typeGrace:
		d, p := member.ParseDuration(text)
		v.Set(reflect.ValueOf(new(member.Duration(d))))
		return p
	case typePrefix:
		prefix, p := parsePrefix(text)
		v.Set(reflect.ValueOf(prefix))
		return p
	case typeNumber:
		n, err := strconv.Atoi(text)
		if err != nil {
			return problemf("write digits alone", "not a whole number")
		}
		v.Set(reflect.ValueOf(&n))
		return nil
	case typeSwitch:
		b, p := parseBool(text)
		v.Set(reflect.ValueOf(&b))
		return p
	case typeTime:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return problemf("write date and time with its zone, such as 2030-01-31T00:00:00Z", "not a time (RFC 3339)")
		}
		t = t.UTC()
		v.Set(reflect.ValueOf(&t))
		return nil
	case typeJWKS:
		keys, p := client.ParseJWKS(text)
		v.SetBytes(keys)
		return p
	case typeScopes:
		v.Set(reflect.ValueOf(member.Scopes(strings.Fields(text))))
		return nil
	case typeSecret:
		if text == member.Mask {
			return problemf("give the secret itself", "this is the mask that stands for a secret in \"config print\"")
		}
	}
	if v.Kind() == reflect.Bool {
		b, p := parseBool(text)
		v.SetBool(b)
		return p
	}
	v.SetString(text)
	return member.EnumFlaw(text, f.enum)
}

func parseBool(text string) (bool, *member.Flaw) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, problemf("write true or false", "neither true nor false")
}

func parsePrefix(text string) (netip.Prefix, *member.Flaw) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			hint := fmt.Sprintf("write %s for this one address", netip.PrefixFrom(addr, addr.BitLen()))
			return netip.Prefix{}, problemf(hint, "an address, not a network")
		}
		return netip.Prefix{}, problemf("write an address and a length, such as 10.0.0.0/8", "not a network")
	}
	if prefix != prefix.Masked() {
		hint := fmt.Sprintf("write %s for the whole network", prefix.Masked())
		return netip.Prefix{}, problemf(hint, "the address has bits beyond the length of the prefix")
	}
	return prefix, nil
}
