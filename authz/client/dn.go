package client

import (
	"cmp"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// distinguishedName is a list of sets of attributes, in the order of RFC 4514, which is the reverse
// of the certificate's. The attributes of a set are sorted.
type distinguishedName [][]nameAttribute

type nameAttribute struct{ oid, value string }

// attributeTypes are the short names of attributes: those of RFC 4514 section 3, and others that
// certificate authorities print.
var attributeTypes = map[string]string{
	"cn": "2.5.4.3", "sn": "2.5.4.4", "serialnumber": "2.5.4.5", "c": "2.5.4.6", "l": "2.5.4.7", "st": "2.5.4.8",
	"street": "2.5.4.9", "o": "2.5.4.10", "ou": "2.5.4.11", "title": "2.5.4.12", "businesscategory": "2.5.4.15",
	"postalcode": "2.5.4.17", "givenname": "2.5.4.42", "organizationidentifier": "2.5.4.97",
	"uid": "0.9.2342.19200300.100.1.1", "dc": "0.9.2342.19200300.100.1.25",
	"e": "1.2.840.113549.1.9.1", "emailaddress": "1.2.840.113549.1.9.1",
	"jurisdictionl": "1.3.6.1.4.1.311.60.2.1.1", "jurisdictionst": "1.3.6.1.4.1.311.60.2.1.2", "jurisdictionc": "1.3.6.1.4.1.311.60.2.1.3",
}

// parseDN reads the string form of a name (RFC 4514 section 3). Spaces around the separators, which
// many programs print, are ignored.
func parseDN(text string) (distinguishedName, error) {
	var dn distinguishedName
	var set []nameAttribute
	for rest, more := text, true; more; {
		oid, value, found := strings.Cut(rest, "=")
		if !found {
			return nil, errors.New("an attribute without a value")
		}
		a := nameAttribute{oid: attributeOID(strings.TrimSpace(oid))}
		if a.oid == "" {
			return nil, errors.New("an attribute of an unknown type: write its object identifier")
		}
		var separator byte
		var err error
		if a.value, separator, rest, err = attributeValue(strings.TrimLeft(value, " ")); err != nil {
			return nil, err
		}
		set = append(set, a)
		if separator != '+' {
			slices.SortFunc(set, compareAttributes)
			dn, set = append(dn, set), nil
		}
		more = separator != 0
	}
	return dn, nil
}

func compareAttributes(a, b nameAttribute) int {
	return cmp.Or(cmp.Compare(a.oid, b.oid), cmp.Compare(a.value, b.value))
}

func attributeOID(name string) string {
	if oid := attributeTypes[strings.ToLower(name)]; oid != "" {
		return oid
	}
	if len(name) > 4 && strings.EqualFold(name[:4], "OID.") {
		name = name[4:]
	}
	return objectIdentifier.FindString(name)
}

var objectIdentifier = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+$`)

// attributeValue reads a value up to its separator, "," or "+", or 0 at the end.
func attributeValue(text string) (value string, separator byte, rest string, err error) {
	if strings.HasPrefix(text, "#") {
		return hexValue(text)
	}
	var b []byte
	kept := 0 // of b; what follows are spaces that may be no part of the value
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ',' || c == '+':
			return string(b[:kept]), c, text[i+1:], checkValue(b[:kept])
		case c == '\\':
			escaped, length := unescape(text[i+1:])
			if length == 0 {
				return "", 0, "", errors.New("a backslash before what needs none")
			}
			b, i = append(b, escaped), i+length
			kept = len(b)
		case strings.IndexByte("\";<>\x00", c) >= 0:
			return "", 0, "", errors.New("a character that needs a backslash")
		default:
			if b = append(b, c); c != ' ' {
				kept = len(b)
			}
		}
	}
	return string(b[:kept]), 0, "", checkValue(b[:kept])
}

func checkValue(value []byte) error {
	if len(value) == 0 || !utf8.Valid(value) {
		return errors.New("an attribute with an empty or malformed value")
	}
	return nil
}

// unescape reads what follows a backslash (RFC 4514 section 3: pair). Its length is 0 if that is not
// allowed there.
func unescape(text string) (c byte, length int) {
	if text != "" && strings.IndexByte(`\"+,;<>#= `, text[0]) >= 0 {
		return text[0], 1
	}
	if len(text) >= 2 {
		if b, err := hex.DecodeString(text[:2]); err == nil {
			return b[0], 2
		}
	}
	return 0, 0
}

// hexValue reads "#" and the BER encoding of a string in hexadecimal digits.
func hexValue(text string) (value string, separator byte, rest string, err error) {
	digits := text[1:]
	if i := strings.IndexAny(digits, ",+"); i >= 0 {
		digits, separator, rest = digits[:i], digits[i], digits[i+1:]
	}
	malformed := errors.New("a hexadecimal value that is not the encoding of a string")
	encoded, err := hex.DecodeString(strings.TrimRight(digits, " "))
	if err != nil {
		return "", 0, "", malformed
	}
	var decoded any
	left, err := asn1.Unmarshal(encoded, &decoded)
	value, isString := decoded.(string)
	if err != nil || len(left) > 0 || !isString || value == "" {
		return "", 0, "", malformed
	}
	return value, separator, rest, nil
}

// decodeDN reads the subject of a certificate (RFC 5280 section 4.1.2.4).
func decodeDN(der []byte) (distinguishedName, error) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("malformed subject")
	}
	var dn distinguishedName
	for _, attributes := range slices.Backward(sequence) {
		var set []nameAttribute
		for _, a := range attributes {
			value, ok := a.Value.(string)
			if !ok {
				return nil, errors.New("a subject with a value that is not a string")
			}
			set = append(set, nameAttribute{a.Type.String(), value})
		}
		slices.SortFunc(set, compareAttributes)
		dn = append(dn, set)
	}
	return dn, nil
}

func (dn distinguishedName) equal(other distinguishedName) bool {
	return slices.EqualFunc(dn, other, slices.Equal[[]nameAttribute])
}
