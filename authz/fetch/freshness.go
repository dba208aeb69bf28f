package fetch

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Freshness says how long answers of one kind may be used.
type Freshness struct {
	Usual       time.Duration // if the answer does not say
	Least, Most time.Duration // bounds on what the answer says; if they contradict each other, Least counts
	// Unreadable is what a max-age counts as that is no number of seconds. RFC 9111 section 4.2.1 encourages 0.
	Unreadable time.Duration
}

// Of returns for how long an answer may be used (RFC 9111 section 4.2): max-age counts before Expires, and what
// the answer has spent in other caches is past.
func (f Freshness) Of(header http.Header) time.Duration {
	fresh, explicit := f.maxAge(header)
	if !explicit {
		fresh, explicit = untilExpiry(header)
	}
	if age, ok := seconds(header.Get("Age")); ok && explicit {
		fresh -= age
	} else if !explicit {
		fresh = f.Usual
	}
	return max(min(fresh, f.Most), f.Least)
}

// maxAge reads Cache-Control (RFC 9111 section 5.2.2). An answer that must not be stored, or must be revalidated, is
// never fresh.
func (f Freshness) maxAge(header http.Header) (fresh time.Duration, explicit bool) {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			age, ok := seconds(strings.Trim(value, `"`))
			if !ok {
				age = f.Unreadable
			}
			if explicit && age > fresh {
				continue // of two, the stricter
			}
			fresh, explicit = age, true
		}
	}
	return fresh, explicit
}

// untilExpiry reads Expires, by the origin's own clock if it tells its Date (RFC 9111 section 5.3).
func untilExpiry(header http.Header) (fresh time.Duration, explicit bool) {
	if header.Get("Expires") == "" {
		return 0, false
	}
	expires, err := http.ParseTime(header.Get("Expires"))
	if err != nil {
		return 0, true // "0" and the like: already expired
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	return expires.Sub(date), true
}

// longest is more than anything may be kept for.
const longest = 365 * 24 * time.Hour

// seconds reads a delta-seconds value (RFC 9111 section 1.2.2), of which no more than a year matters.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(min(n, uint64(longest/time.Second))) * time.Second, true
}
