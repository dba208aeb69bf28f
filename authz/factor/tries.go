package factor

import (
	"time"

	"github.com/authzd/authzd/storage"
)

// A code of 6 digits, with one step before and after, is guessed with odds of 3 in 1,000,000. So after five wrong ones
// there is one try in half a minute, over all replicas and addresses, and a hundred in a row end the factor (NIST SP
// 800-63B-4 section 3.2.2). A right code begins again.
const (
	triesAtOnce   = 5
	triesInterval = 30 * time.Second
	mostInARow    = 100
)

// locked reports whether wrong codes have ended a factor.
func locked(t storage.Tries) bool { return t.InARow >= mostInARow }

// wait returns how long no code is looked at; 0: one is.
func wait(t storage.Tries, now time.Time) time.Duration {
	return max(0, t.DrainedAt.Sub(now.Add((triesAtOnce-1)*triesInterval)))
}

// admit returns ErrNone or a *ThrottledError if no code may be tried now.
func admit(t storage.Tries, now time.Time) error {
	if locked(t) {
		return ErrNone
	}
	if w := wait(t, now); w > 0 {
		return &ThrottledError{max(w, time.Second)}
	}
	return nil
}

// wrong counts a wrong code.
func wrong(t storage.Tries, now time.Time) storage.Tries {
	if t.DrainedAt.Before(now) {
		t.DrainedAt = now
	}
	return storage.Tries{InARow: t.InARow + 1, DrainedAt: t.DrainedAt.Add(triesInterval)}
}
