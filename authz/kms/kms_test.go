package kms_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/kms"
)

var secret = []byte("a server's secret, 32 bytes long")

func newLocal(t testing.TB, fill byte) *kms.Local {
	t.Helper()
	l, err := kms.NewLocal(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// elsewhere is a key of another kind.
type elsewhere struct{ *kms.Local }

func (elsewhere) Kind() string { return "elsewhere" }

// testKey is what each implementation is to do.
func testKey(t *testing.T, key kms.Key) {
	t.Helper()
	w := kms.Wrapper{Key: key}
	text, err := w.Wrap(secret)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Wrap(secret)
	if err != nil || bytes.Equal(text, again) {
		t.Errorf("wrapped twice, it is the same text (%v)", err)
	}
	if bytes.Contains(text, secret) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(secret))) {
		t.Error("the text has the secret in it")
	}
	if got, err := w.Unwrap(text); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("unwrapped: %q, %v", got, err)
	}
	if name, err := kms.KeyName(text); err != nil || name != key.Name() {
		t.Errorf("wrapped by %q, %v; want %q", name, err, key.Name())
	}

	// Every change in it is noticed.
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"nonce", "ciphertext"} {
		b, err := base64.StdEncoding.DecodeString(members[member].(string))
		if err != nil {
			t.Fatal(err)
		}
		for _, changed := range [][]byte{append([]byte{b[0] ^ 1}, b[1:]...), b[:len(b)-1], append(bytes.Clone(b), 0), b[:1]} {
			if got, err := w.Unwrap(edited(t, members, member, base64.StdEncoding.EncodeToString(changed))); !errors.Is(err, kms.ErrDamaged) {
				t.Errorf("%s changed to %d bytes: %q, %v", member, len(changed), got, err)
			}
		}
	}
	for member, value := range map[string]any{"key": "another", "kms": "other", "authzd_wrapped_secret": 2, "nonce": "", "ciphertext": nil} {
		if got, err := w.Unwrap(edited(t, members, member, value)); err == nil {
			t.Errorf("%s changed to %v: unwrapped %q", member, value, got)
		}
	}
	for i := range len(text) - 1 { // the newline may go
		if got, err := w.Unwrap(text[:i]); !errors.Is(err, kms.ErrMalformed) {
			t.Errorf("cut to %d bytes: %q, %v", i, got, err)
		}
	}
}

// edited is a wrapped secret with one member changed.
func edited(t *testing.T, members map[string]any, member string, value any) []byte {
	t.Helper()
	other := make(map[string]any)
	for k, v := range members {
		other[k] = v
	}
	other[member] = value
	text, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLocal(t *testing.T) {
	testKey(t, newLocal(t, 1))
	testKey(t, elsewhere{newLocal(t, 1)})
	text, err := kms.Wrapper{Key: newLocal(t, 1)}.Wrap(secret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = kms.Wrapper{Key: newLocal(t, 2)}.Unwrap(text)
	wantHint(t, err, "was wrapped by the key "+newLocal(t, 1).Name())
	_, err = kms.Wrapper{Key: elsewhere{newLocal(t, 1)}}.Unwrap(text)
	wantHint(t, err, `was wrapped by the kms "local", and "elsewhere" is configured`)
	for _, text := range []string{"", "short", base64.StdEncoding.EncodeToString(make([]byte, 31)), base64.StdEncoding.EncodeToString(make([]byte, 33)), "hunter2!" + strings.Repeat("A", 35)} {
		_, err := kms.NewLocal(text)
		wantHint(t, err, "not 32 bytes of base64")
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func wantHint(t *testing.T, err error, want string) {
	t.Helper()
	hinted := new(kms.Error)
	if !errors.As(err, &hinted) || hinted.Hint() == "" || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v; want %q, and a hint", err, want)
	}
}

func TestMalformed(t *testing.T) {
	w := kms.Wrapper{Key: newLocal(t, 1)}
	good, err := w.Wrap(secret)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(good))
	for name, text := range map[string]string{
		"empty":             "",
		"no JSON":           "c2VjcmV0",
		"other JSON":        "[]",
		"null":              "null",
		"two of them":       line + line,
		"something after":   line + "x",
		"an unknown member": strings.Replace(line, "{", `{"extra":1,`, 1),
		"too long":          line + strings.Repeat(" ", 4096),
	} {
		if _, err := w.Unwrap([]byte(text)); !errors.Is(err, kms.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnwrap: no text makes it panic, and none is unwrapped to anything but the secret.
func FuzzUnwrap(f *testing.F) {
	w := kms.Wrapper{Key: newLocal(f, 1)}
	good, err := w.Wrap(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"authzd_wrapped_secret":1,"kms":"local","key":"k","nonce":"AA==","ciphertext":"AA=="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := w.Unwrap(text)
		if err == nil && !bytes.Equal(got, secret) {
			t.Errorf("unwrapped %q", got)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), secret) {
			t.Errorf("the error has the secret: %v", err)
		}
	})
}
