package commonpass

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestContains(t *testing.T) {
	for _, listed := range []string{
		"password", "12345678", "123456789", "iloveyou", "PassWord", "QWERTYUIOP", // case does not matter
		"2M5i0s2h9a7",                         // the last short one
		"mailcreated5240", "VJHTRHSVDCTCEGTH", // the first and the last long one
	} {
		if !Contains(listed) {
			t.Errorf("%q is not found", listed)
		}
	}
	for _, other := range []string{
		"2lolazoo", // the first short one that is left out
		"", "123456", "qwerty", "password ", " password", "pass word", "correct horse battery staple",
		"password password password", "mypasswordisnotthis", "\xff\xfe", strings.Repeat("password", 1000),
	} {
		if Contains(other) {
			t.Errorf("%q is found", other)
		}
	}
}

// The file has every password of the list once, in order, and is small.
func TestSet(t *testing.T) {
	if size := len(common); size > 350_000 {
		t.Errorf("%d bytes", size)
	}
	var values []uint64
	for group, begin := 0, 0; group < groups; group++ {
		end := endOf(common, group)
		r, at := reader{data: common[header+begin : header+end]}, uint64(group)<<(hashBits-groupBits)
		for difference, ok := r.next(); ok; difference, ok = r.next() {
			at += difference
			values = append(values, at)
		}
		begin = end
	}
	if len(values) != 90_000+9_728 {
		t.Errorf("%d values", len(values))
	}
	if !slices.IsSorted(values) || len(slices.Compact(slices.Clone(values))) != len(values) {
		t.Error("they are not in order, or some are there twice")
	}
	for _, value := range values[:1000] {
		if !contains(common, value) || contains(common, value+1) && values[slices.Index(values, value)+1] != value+1 {
			t.Fatalf("%x is not found alone", value)
		}
	}
	if odds := float64(len(values)) / (1 << hashBits); odds > 1e-6 {
		t.Errorf("a good password is refused with a probability of %v", odds)
	}
}

// Measured: of random passwords, at most one in a million is taken for a listed one.
func TestContainsRandomPasswords(t *testing.T) {
	tries, most := 20_000, 0
	if full, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); full {
		tries, most = 20_000_000, 20
	}
	random, wrong := rand.New(rand.NewChaCha8([32]byte{13})), 0
	raw := make([]byte, 12)
	for range tries {
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		if Contains(base64.StdEncoding.EncodeToString(raw)) {
			wrong++
		}
	}
	t.Logf("%d of %d random passwords are refused", wrong, tries)
	if wrong > most {
		t.Errorf("%d of %d random passwords are refused", wrong, tries)
	}
}

func TestEncode(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		var in []string
		for i := range n {
			in = append(in, fmt.Sprintf("Password %d", i), fmt.Sprintf("PASSWORD %d", i))
		}
		set := string(Encode(in))
		for i := range 1000 {
			if got := contains(set, bitsOf(fmt.Sprintf("pAssword %d", i))); got != (i < n) {
				t.Fatalf("of %d, number %d: %v", n, i, got)
			}
		}
	}
	nfd, nfc := "cafe\u0301-cafe", "CAF\u00c9-caf\u0065"
	if !contains(string(Encode([]string{nfd})), bitsOf(nfc)) {
		t.Error("it depends on the keyboard")
	}
}

// A look-up costs no memory worth speaking of.
func TestContainsAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Contains("correct horse battery staple") }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkContains(b *testing.B) {
	for b.Loop() {
		Contains("correct horse battery staple")
	}
}
