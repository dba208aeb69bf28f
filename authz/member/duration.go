package member

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as people do: 15m. Where 0 means nothing, it stands for a duration
// that was not given.
type Duration time.Duration

// Or returns the duration, or the other one if it is 0.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// Seconds returns the whole seconds of the duration.
func (d Duration) Seconds() int { return int(time.Duration(d) / time.Second) }

// String writes it as people do: 15m, not 15m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes it as people do.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it. The error is a *Flaw.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, flaw := ParseDuration(string(text))
	if flaw != nil {
		return flaw
	}
	*d = Duration(parsed)
	return nil
}

// ParseDuration reads a duration such as 720h or 1m30s.
func ParseDuration(text string) (time.Duration, *Flaw) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	hint := "write hours, minutes and seconds, such as 720h, 15m or 1m30s"
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		hint = fmt.Sprintf("a unit is missing: %ds for seconds, %dm for minutes", n, n)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			hint = fmt.Sprintf("days are written in hours: %dh", n*24)
		}
	}
	return 0, Flawf(hint, "not a duration")
}

// Years is a bound for times that have no other: ten years.
const Years = 10 * 365 * 24 * time.Hour

// TimeFlaw demands whole seconds between two bounds.
func TimeFlaw(d, least, most time.Duration) *Flaw {
	hint := fmt.Sprintf("write a time from %s to %s", Duration(least), Duration(most))
	switch {
	case d < least:
		return Flawf(hint, "must be at least %s", Duration(least))
	case d > most:
		return Flawf(hint, "must be at most %s", Duration(most))
	case d%time.Second != 0:
		return Flawf("write no part of a second", "must be whole seconds")
	}
	return nil
}

// OrderFlaw demands that a time does not exceed another, which has this name.
func OrderFlaw(d, limit time.Duration, name string) *Flaw {
	if d <= limit {
		return nil
	}
	return Flawf("lower it, or raise the other", "must not exceed %s (%s)", name, Duration(limit))
}
