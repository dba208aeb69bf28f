package keys

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// snapshot is the ring at one moment. It never changes once it is made.
type snapshot struct {
	keys    map[string]*key // by name
	public  map[string]*jose.JSONWebKey
	signing map[signerID][]candidate
	jwks    []byte
}

type signerID struct {
	alg jose.SignatureAlgorithm
	typ string
}

// candidate is a signer and the time from which it may be used.
type candidate struct {
	from   time.Time
	signer jose.Signer
}

// newSnapshot prepares the live keys of a store. Signers are made for algs alone; every key is
// published and verifies.
func newSnapshot(keys []*key, algs []jose.SignatureAlgorithm) (*snapshot, error) {
	s := &snapshot{
		keys:    make(map[string]*key),
		public:  make(map[string]*jose.JSONWebKey),
		signing: make(map[signerID][]candidate),
	}
	// Newest first: the order of signing candidates.
	slices.SortFunc(keys, func(a, b *key) int {
		return cmp.Or(cmp.Compare(a.name.alg, b.name.alg), -cmp.Compare(a.name.generation, b.name.generation))
	})
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		s.keys[k.name.String()] = k
		s.public[k.pair.kid] = k.pair.public
		set.Keys = append(set.Keys, *k.pair.public)
		if !slices.Contains(algs, k.name.alg) {
			continue
		}
		for typ, signer := range k.pair.signers {
			id := signerID{k.name.alg, typ}
			s.signing[id] = append(s.signing[id], candidate{k.record.SignFrom, signer})
		}
	}
	var err error
	if s.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode jwks: %w", err)
	}
	return s, nil
}

// signer returns the newest signer whose time has come. If none's has, because another replica
// with a faster clock made the first key this very second, it is the oldest.
func (s *snapshot) signer(id signerID, now time.Time) jose.Signer {
	candidates := s.signing[id]
	for _, c := range candidates {
		if !c.from.After(now) {
			return c.signer
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	return candidates[len(candidates)-1].signer
}

// newest returns the last key of an algorithm, or nil.
func (s *snapshot) newest(alg jose.SignatureAlgorithm) *key {
	var newest *key
	for _, k := range s.keys {
		if k.name.alg == alg && (newest == nil || k.name.generation > newest.name.generation) {
			newest = k
		}
	}
	return newest
}
