//go:build cgo

package kms_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/kms"
)

const (
	module = "/usr/lib/softhsm/libsofthsm2.so"
	pin    = "4711-0815"
)

// softHSM makes a token of SoftHSM, a module in software, in a folder of the test's own.
func softHSM(t *testing.T) *kms.PKCS11 {
	t.Helper()
	util, err := exec.LookPath("softhsm2-util")
	if err == nil {
		_, err = os.Stat(module)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("with CI=true nothing may be skipped: %v", err)
		}
		t.Skipf("SKIPPED: SoftHSM is not installed (%v); .ci/setup installs it", err)
	}
	folder := t.TempDir()
	conf := filepath.Join(folder, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+folder+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	for _, label := range []string{"authzd", "other"} {
		out, err := exec.Command(util, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "12345678").CombinedOutput()
		if err != nil {
			t.Fatalf("softhsm2-util: %v\n%s", err, out)
		}
	}
	return &kms.PKCS11{Module: module, Token: "authzd", PIN: pin, Key: "wrapping"}
}

func TestPKCS11(t *testing.T) {
	p := softHSM(t)
	_, err := kms.Wrapper{Key: p}.Wrap(secret)
	wantHint(t, err, `token "authzd" has no key "wrapping"`)
	if err := p.MakeKey(); err != nil {
		t.Fatal(err)
	}
	wantHint(t, p.MakeKey(), `has a key "wrapping" already`)
	testKey(t, p)
}

// TestPKCS11Refuses is what may be wrong when the server starts.
func TestPKCS11Refuses(t *testing.T) {
	p := softHSM(t)
	if err := p.MakeKey(); err != nil {
		t.Fatal(err)
	}
	text, err := kms.Wrapper{Key: p}.Wrap(secret)
	if err != nil {
		t.Fatal(err)
	}
	noModule := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(noModule, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change func(*kms.PKCS11)
		want   string
	}{
		{func(p *kms.PKCS11) { p.Module = "/nowhere/module.so" }, "no such file"},
		{func(p *kms.PKCS11) { p.Module = noModule }, "no PKCS #11 module"},
		{func(p *kms.PKCS11) { p.Token = "absent" }, `no token has the label "absent"; there are `},
		{func(p *kms.PKCS11) { p.Token = "other" }, `token "other" has no key "wrapping"`},
		{func(p *kms.PKCS11) { p.PIN = "0000-0000" }, `token "authzd" refuses the PIN`},
		{func(p *kms.PKCS11) { p.PIN = "" }, `refuses the PIN`},
	} {
		wrong := *p
		test.change(&wrong)
		_, err := kms.Wrapper{Key: &wrong}.Unwrap(text)
		wantHint(t, err, test.want)
		if err != nil && bytes.Contains([]byte(err.Error()), []byte(pin)) {
			t.Errorf("the error has the PIN: %v", err)
		}
	}
	if got, err := (kms.Wrapper{Key: p}).Unwrap(text); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// TestPKCS11KeyDeleted: another key of the same name opens nothing. A new name wraps while the old key
// still unwraps.
func TestPKCS11KeyDeleted(t *testing.T) {
	p := softHSM(t)
	if err := p.MakeKey(); err != nil {
		t.Fatal(err)
	}
	text, err := kms.Wrapper{Key: p}.Wrap(secret)
	if err != nil {
		t.Fatal(err)
	}
	next := *p
	next.Key = "wrapping-2"
	if err := next.MakeKey(); err != nil {
		t.Fatal(err)
	}
	if got, err := (kms.Wrapper{Key: &next}).Unwrap(text); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("with another key configured: %q, %v", got, err)
	}

	softHSM(t) // an empty token in its place
	_, err = kms.Wrapper{Key: p}.Unwrap(text)
	wantHint(t, err, `has no key "wrapping"`)
	if err := p.MakeKey(); err != nil {
		t.Fatal(err)
	}
	if got, err := (kms.Wrapper{Key: p}).Unwrap(text); !errors.Is(err, kms.ErrDamaged) {
		t.Errorf("another key of the same name: %q, %v", got, err)
	}
}

// TestPKCS11Hangs: a module that does not answer, such as one whose device has gone, is not waited for.
func TestPKCS11Hangs(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("with CI=true nothing may be skipped: %v", err)
		}
		t.Skipf("SKIPPED: there is no C compiler (%v)", err)
	}
	source, library := filepath.Join(t.TempDir(), "hang.c"), filepath.Join(t.TempDir(), "hang.so")
	const text = "#include <unistd.h>\nunsigned long C_GetFunctionList(void **list) { sleep(2); return 5; }\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := &kms.PKCS11{Module: library, Token: "authzd", PIN: pin, Key: "wrapping", Timeout: 50 * time.Millisecond}
	began := time.Now()
	_, err = kms.Wrapper{Key: p}.Wrap(secret)
	wantHint(t, err, "hang.so has not answered for 50ms")
	wantHint(t, p.MakeKey(), "has not answered")
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}
