package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// counting returns 32 bytes that count up from first.
func counting(first byte) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func newSecret(t testing.TB, raw ...[]byte) *Secret {
	t.Helper()
	s, err := NewSecret(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewSecretRefusesWeakOnes(t *testing.T) {
	for name, raw := range map[string][][]byte{
		"none":        nil,
		"empty":       {{}},
		"short":       {make([]byte, 31)},
		"short older": {make([]byte, 32), make([]byte, 16)},
	} {
		if _, err := NewSecret(raw...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOpenRefusesWhatWasNotSealed(t *testing.T) {
	secret := newSecret(t, counting(1))
	sealer := secret.Sealer("a")
	plain, aad := []byte("plain"), []byte("aad")
	sealed := sealer.Seal(plain, aad)

	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := sealer.Open(altered, aad); err == nil {
			t.Errorf("opened with byte %d altered", i)
		}
	}
	for n := range sealed {
		if _, err := sealer.Open(sealed[:n], aad); err == nil {
			t.Errorf("opened when cut to %d bytes", n)
		}
	}
	if _, err := sealer.Open(sealed, []byte("other")); !errors.Is(err, ErrTampered) {
		t.Errorf("other aad: %v, want ErrTampered", err)
	}
	if _, err := secret.Sealer("b").Open(sealed, aad); !errors.Is(err, ErrTampered) {
		t.Errorf("other purpose: %v, want ErrTampered", err)
	}
	if _, err := newSecret(t, counting(2)).Sealer("a").Open(sealed, aad); !errors.Is(err, ErrUnknownSecret) {
		t.Errorf("other secret: %v, want ErrUnknownSecret", err)
	}
	if got, err := sealer.Open(sealed, aad); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("unaltered: %q, %v", got, err)
	}
}

func TestEarlierSecretsOpen(t *testing.T) {
	before := newSecret(t, counting(1)).Sealer("a")
	after := newSecret(t, counting(2), counting(1)).Sealer("a")
	if got, err := after.Open(before.Seal([]byte("x"), nil), nil); err != nil || string(got) != "x" {
		t.Errorf("earlier secret's message: %q, %v", got, err)
	}
	if _, err := before.Open(after.Seal([]byte("x"), nil), nil); !errors.Is(err, ErrUnknownSecret) {
		t.Errorf("the current secret did not seal: %v", err)
	}
}

func TestSealNeverRepeats(t *testing.T) {
	sealer := newSecret(t, counting(1)).Sealer("a")
	if bytes.Equal(sealer.Seal([]byte("x"), nil), sealer.Seal([]byte("x"), nil)) {
		t.Error("two seals of one message are equal")
	}
}

// Values that an earlier release has sealed or derived must keep their meaning. The hex was computed with Python's
// hmac by RFC 5869, from the secret 000102…1f.
func TestKeyScheduleIsStable(t *testing.T) {
	secret := newSecret(t, counting(0))
	derived := secret.Deriver("refresh token").Derive([]byte("azr_example"))
	if got, want := hex.EncodeToString(derived[0][:]), "9a80cf7b4d91402a3b194cb852a5161ec1600a903adc1547cab1e700f643a412"; got != want {
		t.Errorf("derived %s, want %s", got, want)
	}

	sealed := secret.Sealer("refresh token").Seal([]byte("plain"), []byte("aad"))
	if got, want := hex.EncodeToString(sealed[:8]), "17e09ec3855e75bf"; got != want {
		t.Errorf("secret id %s, want %s", got, want)
	}
	key, _ := hex.DecodeString("b5fd3d788bd12321d1eb6f1545f5fbeacadb7de8faecfcb35337530a2f038e12")
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := aead.Open(nil, sealed[8:32], sealed[32:], []byte("aad")); err != nil || string(got) != "plain" {
		t.Errorf("opened by hand: %q, %v", got, err)
	}
}

func TestDerive(t *testing.T) {
	secret := newSecret(t, counting(2), counting(1))
	both := secret.Deriver("a").Derive([]byte("in"))
	if len(both) != 2 || both[0] == both[1] {
		t.Fatalf("want two different values, got %x", both)
	}
	if old := newSecret(t, counting(1)).Deriver("a").Derive([]byte("in")); both[1] != old[0] {
		t.Error("the earlier secret derives another value after rotation")
	}
	if other := secret.Deriver("b").Derive([]byte("in")); other[0] == both[0] {
		t.Error("two purposes derive the same")
	}
	if other := secret.Deriver("a").Derive([]byte("In")); other[0] == both[0] {
		t.Error("two inputs derive the same")
	}
}

func FuzzOpen(f *testing.F) {
	sealer := newSecret(f, counting(2), counting(0)).Sealer("a")
	// A constant, since each process of a fuzz run would seal another: "plain" with "aad".
	valid, err := hex.DecodeString("17e09ec3855e75bf63a16fbdbc53faf6aa91fe910d5ae5a10a9465221eae43a93c5777ac6d4dc74e8f5c7486817d97d37c6a8be20b")
	if err != nil {
		f.Fatal(err)
	}
	if _, err := sealer.Open(valid, []byte("aad")); err != nil {
		f.Fatal(err)
	}
	f.Add(valid, []byte("aad"))
	f.Add(valid[:len(valid)-1], []byte("aad"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, sealed, aad []byte) {
		_, err := sealer.Open(sealed, aad)
		if err == nil && !(bytes.Equal(sealed, valid) && string(aad) == "aad") {
			t.Errorf("opened %x with %x", sealed, aad)
		}
		if err != nil && !errors.Is(err, ErrTampered) && !errors.Is(err, ErrUnknownSecret) {
			t.Errorf("undocumented error: %v", err)
		}
	})
}

func BenchmarkDerive(b *testing.B) {
	d := newSecret(b, counting(0)).Deriver("refresh token")
	in := []byte("azr_0123456789012345678901234567890123456789012")
	b.ReportAllocs()
	for b.Loop() {
		d.Derive(in)
	}
}

func BenchmarkSeal(b *testing.B) {
	s := newSecret(b, counting(0)).Sealer("upstream token")
	in := make([]byte, 1024)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		s.Seal(in, nil)
	}
}
