package keys

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// snapshot is the ring at one moment. It never changes.
type snapshot struct {
	keys    []*key           // by algorithm, newest first
	forms   map[string]*form // by encoded header: those that verify
	signing map[formID][]candidate
	jwks    []byte
}

type formID struct {
	alg jose.SignatureAlgorithm
	typ string
}

// candidate is a form and the time from which it signs.
type candidate struct {
	from time.Time
	form *form
}

// newSnapshot prepares the live keys of a store. Only those of algs may sign, but every key is published and
// verifies.
func newSnapshot(keys []*key, algs []jose.SignatureAlgorithm) (*snapshot, error) {
	slices.SortFunc(keys, func(a, b *key) int {
		return cmp.Or(cmp.Compare(a.name.alg, b.name.alg), cmp.Compare(b.name.generation, a.name.generation))
	})
	s := &snapshot{keys: keys, forms: make(map[string]*form), signing: make(map[formID][]candidate)}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, *k.pair.public)
		for _, f := range k.pair.forms {
			s.forms[f.header] = f
			if slices.Contains(algs, k.name.alg) {
				id := formID{k.name.alg, f.typ}
				s.signing[id] = append(s.signing[id], candidate{k.record.SignFrom, f})
			}
		}
	}
	var err error
	if s.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode jwks: %w", err)
	}
	return s, nil
}

// form returns the newest form whose time to sign has come. If there is none, because another replica with a
// faster clock made the first key at this very second, it returns the oldest, or nil if there is no key.
func (s *snapshot) form(id formID, now time.Time) *form {
	candidates := s.signing[id]
	for i, c := range candidates {
		if !c.from.After(now) || i == len(candidates)-1 {
			return c.form
		}
	}
	return nil
}

// newest returns the last key of an algorithm, or nil.
func (s *snapshot) newest(alg jose.SignatureAlgorithm) *key {
	for _, k := range s.keys {
		if k.name.alg == alg {
			return k
		}
	}
	return nil
}

// named returns the key of that name, or nil.
func (s *snapshot) named(name keyName) *key {
	for _, k := range s.keys {
		if k.name == name {
			return k
		}
	}
	return nil
}
