// Package strictjson reads JSON from outside so strictly that two readers always understand it in the same way:
// one value, in UTF-8, without a repeated name, and with nothing after it.
//
//	Object      an object whose members the caller reads one by one
//	Unmarshal   a value of a Go type, which has all members that are allowed
//
// The claims of tokens are read with go-jose's JSON, which refuses the same. This package imports nothing of this
// module.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep a document may be nested: the deepest valid one has keys with lists in a set.
const maxDepth = 8

// Object returns the members of an object. Unlike encoding/json, which fills a struct, it distinguishes names by
// letter case. No error quotes the text.
func Object(text []byte) (map[string]json.RawMessage, error) {
	if err := check(text, func(name string) string { return name }); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// Unmarshal reads a value into v, a pointer. A member that the struct lacks is an error, which names it. So are two
// names that differ only in upper and lower case, because encoding/json would take both for one. Numbers in an any
// become a json.Number.
func Unmarshal(text []byte, v any) error {
	if err := check(text, fold); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// fold returns the form in which encoding/json compares names of fields.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}

// check refuses what two readers could understand differently. Two names are the same if key makes them equal.
func check(text []byte, key func(string) string) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // 1e999 is a number
	return scan(d, key)
}

// scan reads the tokens of a document without building anything.
func scan(d *json.Decoder, key func(string) string) error {
	var open []level
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && len(open) == 0:
			return nil
		case err != nil:
			return errors.New("not JSON") // the cause would quote the document
		}
		var inside *level
		if len(open) > 0 {
			inside = &open[len(open)-1]
		}
		switch delim, isDelim := token.(json.Delim); {
		case isDelim && (delim == '}' || delim == ']'):
			open = open[:len(open)-1]
			continue
		case inside.expectsName():
			name := key(token.(string)) // the decoder takes nothing else here
			if inside.names[name] {
				return errors.New("a name is repeated in one object")
			}
			inside.names[name], inside.named = true, true
			continue
		case isDelim && len(open) == maxDepth:
			return errors.New("nested too deeply")
		case isDelim:
			inside.tookValue()
			open = append(open, newLevel(delim))
		default:
			inside.tookValue()
		}
	}
}

// level is an object or a list that has begun and not ended.
type level struct {
	names map[string]bool // nil: a list
	named bool            // a name has come, but not its value
}

func newLevel(delim json.Delim) level {
	if delim == '{' {
		return level{names: map[string]bool{}}
	}
	return level{}
}

func (l *level) expectsName() bool { return l != nil && l.names != nil && !l.named }

func (l *level) tookValue() {
	if l != nil {
		l.named = false
	}
}
