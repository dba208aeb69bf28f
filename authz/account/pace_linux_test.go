//go:build !race

package account

import (
	"syscall"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/passhash"
)

// The dearest hashes that an operator may import cost clearly less than the pace of failed logins, so that none
// tells that an account exists. It is CPU time that counts here: other programs may be busy. The race
// detector makes hashes in Go many times as dear.
func TestDearestHashesAreBelowThePace(t *testing.T) {
	const salt, tag = "$MDEyMzQ1Njc4OWFiY2RlZg", "$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw"
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	p := NewPasswords()
	for _, hash := range []string{
		"$2b$12$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
		"$argon2id$v=19$m=102400,t=2,p=1" + salt + tag,
		"$scrypt$ln=17,r=8,p=1" + salt + tag,
		"$pbkdf2-sha256$i=1200000" + salt + tag,
		"$pbkdf2-sha512$i=300000" + salt + tag,
	} {
		if err := passhash.Check(hash); err != nil {
			t.Error(err)
		}
		least := time.Hour
		for tries := 0; tries < 3 && least > failurePace*3/4; tries++ {
			began := used()
			if match, _, err := p.Verify(t.Context(), hash, "another password"); match || err != nil {
				t.Error(match, err)
			}
			least = min(least, used()-began)
		}
		t.Logf("%.12s: %v", hash, least)
		if least > failurePace*3/4 {
			t.Errorf("%s costs %v, and the pace is %v", hash, least, failurePace)
		}
	}
}
