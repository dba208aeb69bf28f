// Package jsonobject reads JSON objects that come from outside, as strictly as two readers need who must
// understand them alike.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep a document may be nested: the deepest honest one has keys with lists in a set.
const maxDepth = 8

// Parse reads one JSON object. It refuses what two readers could understand in two ways: names
// that stand twice, anywhere in it, text that is not UTF-8, and what follows the object. Names are
// told apart by every letter, unlike by encoding/json when it fills a struct.
func Parse(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("not UTF-8")
	}
	if err := scan(json.NewDecoder(bytes.NewReader(body))); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// scan reads the tokens of a document without building anything.
func scan(d *json.Decoder) error {
	d.UseNumber() // 1e999 is a number
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
			name := token.(string) // the decoder takes nothing else here
			if inside.names[name] {
				return errors.New("a name stands twice in one object")
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
	named bool            // a name has come, and its value has not
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
