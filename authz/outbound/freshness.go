package outbound

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	leastFresh = time.Minute    // whatever the origin says
	mostFresh  = 24 * time.Hour // likewise
	usualFresh = 10 * time.Minute
)

// freshness is how long an answer may be used (RFC 9111 section 4.2), kept within bounds: max-age
// counts before Expires, and what the answer has spent in other caches is past.
func freshness(header http.Header) time.Duration {
	fresh, explicit := maxAge(header)
	if !explicit {
		fresh, explicit = untilExpiry(header)
	}
	if !explicit {
		return usualFresh
	}
	if age, ok := seconds(header.Get("Age")); ok {
		fresh -= age
	}
	return min(max(fresh, leastFresh), mostFresh)
}

// maxAge reads Cache-Control (RFC 9111 section 5.2.2). What must not be stored, or only be used
// after asking again, is fresh for no time.
func maxAge(header http.Header) (fresh time.Duration, explicit bool) {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			age, ok := seconds(strings.Trim(value, `"`))
			if explicit && age > fresh {
				continue // of two, the stricter
			}
			fresh, explicit = age, true
			if !ok { // section 4.2.1: what can't be read is stale
				fresh = 0
			}
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

// seconds reads a delta-seconds value (RFC 9111 section 1.2.2), of which no more than a day matters.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(min(n, uint64(mostFresh/time.Second))) * time.Second, true
}
