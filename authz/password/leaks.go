package password

import (
	"bytes"
	"context"
	"crypto/sha1" // the index of the service, and no protection
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// LeaksTimeout is how long a person waits for the answer of the service at most.
	LeaksTimeout = time.Second
	// maxAnswer is enough for four times as many lines as the longest answer has.
	maxAnswer = 256 << 10 // bytes

	prefixLength, suffixLength = 5, 35 // hex digits of a SHA-1
)

// Outcome is the outcome of a look-up, for metrics.
type Outcome string

const (
	LookupFound  Outcome = "found"
	LookupClean  Outcome = "clean"
	LookupFailed Outcome = "failed" // the password counted as clean
)

// Leaks asks a range service, such as that of Have I Been Pwned, whether a password is known from a leak. The service
// learns the first 20 bits of a SHA-1 hash, which 1,000 or more passwords share, and by the padding of its answer
// nobody on the way learns more.
type Leaks struct {
	// Get fetches a URL within LeaksTimeout, with the header Add-Padding: true, and returns a body of up to so many
	// bytes. An answer other than 200 is an error.
	Get func(ctx context.Context, url string, most int64) ([]byte, error)
	// URL is the address of the service; the prefix is appended to it.
	URL string
	// Counted is told of every look-up. The error is why one failed; it names nothing of the password.
	Counted func(ctx context.Context, outcome Outcome, err error)
}

// Seen returns how often a password was found in leaks, as far as the service knows. It returns 0 if the service does
// not answer as it should.
func (l *Leaks) Seen(ctx context.Context, password []byte) int {
	sum := sha1.Sum(password)
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	body, err := l.Get(ctx, strings.TrimSuffix(l.URL, "/")+"/"+digits[:prefixLength], maxAnswer)
	seen := 0
	if err == nil {
		seen, err = find(body, digits[prefixLength:])
	}
	switch {
	case err != nil:
		l.Counted(ctx, LookupFailed, err)
	case seen > 0:
		l.Counted(ctx, LookupFound, nil)
	default:
		l.Counted(ctx, LookupClean, nil)
	}
	return seen
}

// errAnswer says that an answer is not one of a range service.
var errAnswer = errors.New("the answer has no lines of SUFFIX:COUNT")

// find returns the count of a suffix in an answer. Lines with the count 0 are padding.
func find(answer []byte, suffix string) (seen int, err error) {
	lines := 0
	for line := range bytes.Lines(answer) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		found, digits, _ := strings.Cut(text, ":")
		count, err := strconv.ParseUint(digits, 10, 31)
		if len(found) != suffixLength || err != nil || strings.Trim(strings.ToUpper(found), "0123456789ABCDEF") != "" {
			return 0, errAnswer
		}
		if lines++; strings.EqualFold(found, suffix) {
			seen = int(count)
		}
	}
	if lines == 0 {
		return 0, fmt.Errorf("%w: it is empty", errAnswer)
	}
	return seen, nil
}
