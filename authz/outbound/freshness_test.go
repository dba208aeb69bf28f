package outbound

import (
	"net/http"
	"testing"
	"time"
)

func TestFreshness(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(after time.Duration) string { return date.Add(after).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"nothing":                {http.Header{}, usualFresh},
		"max-age":                {http.Header{"Cache-Control": {"public, max-age=300"}}, 5 * time.Minute},
		"quoted":                 {http.Header{"Cache-Control": {`Max-Age="300"`}}, 5 * time.Minute},
		"over two lines":         {http.Header{"Cache-Control": {"public", "max-age=300"}}, 5 * time.Minute},
		"twice":                  {http.Header{"Cache-Control": {"max-age=600, max-age=300, max-age=900"}}, 5 * time.Minute},
		"too short":              {http.Header{"Cache-Control": {"max-age=0"}}, leastFresh},
		"too long":               {http.Header{"Cache-Control": {"max-age=31536000"}}, mostFresh},
		"far too long":           {http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, mostFresh},
		"negative":               {http.Header{"Cache-Control": {"max-age=-1"}}, leastFresh},
		"not a number":           {http.Header{"Cache-Control": {"max-age=soon"}}, leastFresh},
		"without a value":        {http.Header{"Cache-Control": {"max-age"}}, leastFresh},
		"no-store":               {http.Header{"Cache-Control": {"no-store, max-age=300"}}, leastFresh},
		"no-cache":               {http.Header{"Cache-Control": {"max-age=300, no-cache"}}, leastFresh},
		"shared caches only":     {http.Header{"Cache-Control": {"s-maxage=300"}}, usualFresh},
		"with an age":            {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"300"}}, 5 * time.Minute},
		"older than it may be":   {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"9999999999999999999999"}}, leastFresh},
		"an age that is none":    {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"-300"}}, 10 * time.Minute},
		"expires":                {http.Header{"Date": {at(0)}, "Expires": {at(5 * time.Minute)}}, 5 * time.Minute},
		"expired":                {http.Header{"Date": {at(0)}, "Expires": {at(-time.Hour)}}, leastFresh},
		"expires at no time":     {http.Header{"Expires": {"0"}}, leastFresh},
		"expires without a date": {http.Header{"Expires": {at(0)}}, leastFresh},
		"expires, but max-age":   {http.Header{"Cache-Control": {"max-age=300"}, "Expires": {at(time.Hour)}, "Date": {at(0)}}, 5 * time.Minute},
		"expires in an age":      {http.Header{"Date": {"Mon, 01 Jan 0001 00:00:00 GMT"}, "Expires": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, mostFresh},
	} {
		if name == "expires without a date" {
			test.header.Set("Expires", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}
		if got := freshness(test.header); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func FuzzFreshness(f *testing.F) {
	f.Add("public, max-age=300", "Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:00 GMT", "5")
	f.Add(`max-age="1", no-store`, "0", "", "-1")
	f.Add("max-age=99999999999999999999,max-age=,=,,", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "99999999999999999999")
	f.Fuzz(func(t *testing.T, cacheControl, expires, date, age string) {
		got := freshness(http.Header{"Cache-Control": {cacheControl}, "Expires": {expires}, "Date": {date}, "Age": {age}})
		if got < leastFresh || got > mostFresh {
			t.Errorf("fresh for %v", got)
		}
	})
}

// Whatever is let through is an https URL that every parser reads as this one does, to a name or to
// a public address.
func FuzzCheckURL(f *testing.F) {
	for _, raw := range append(spellings, notURLs...) {
		f.Add(raw)
	}
	f.Add("https://example.com:8443/jwks?a=b")
	c := newClient(f, Config{})
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.parse(raw)
		if err != nil {
			return
		}
		checkParsed(t, raw, u)
	})
}
