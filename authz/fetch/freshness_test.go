package fetch

import (
	"net/http"
	"testing"
	"time"
)

var testFreshness = Freshness{Usual: 10 * time.Minute, Least: time.Minute, Most: 24 * time.Hour}

func TestFreshness(t *testing.T) {
	f := testFreshness
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(after time.Duration) string { return date.Add(after).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"nothing":                {http.Header{}, f.Usual},
		"an age alone":           {http.Header{"Age": {"300"}}, f.Usual},
		"max-age":                {http.Header{"Cache-Control": {"public, max-age=300"}}, 5 * time.Minute},
		"quoted":                 {http.Header{"Cache-Control": {`Max-Age="300"`}}, 5 * time.Minute},
		"over two lines":         {http.Header{"Cache-Control": {"public", "max-age=300"}}, 5 * time.Minute},
		"twice":                  {http.Header{"Cache-Control": {"max-age=600, max-age=300, max-age=900"}}, 5 * time.Minute},
		"too short":              {http.Header{"Cache-Control": {"max-age=0"}}, f.Least},
		"too long":               {http.Header{"Cache-Control": {"max-age=31536000"}}, f.Most},
		"far too long":           {http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, f.Most},
		"negative":               {http.Header{"Cache-Control": {"max-age=-1"}}, f.Least},
		"not a number":           {http.Header{"Cache-Control": {"max-age=soon"}}, f.Least},
		"without a value":        {http.Header{"Cache-Control": {"max-age"}}, f.Least},
		"no-store":               {http.Header{"Cache-Control": {"no-store, max-age=300"}}, f.Least},
		"no-cache":               {http.Header{"Cache-Control": {"max-age=300, no-cache"}}, f.Least},
		"shared caches only":     {http.Header{"Cache-Control": {"s-maxage=300"}}, f.Usual},
		"with an age":            {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"300"}}, 5 * time.Minute},
		"older than it may be":   {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"9999999999999999999999"}}, f.Least},
		"an age that is none":    {http.Header{"Cache-Control": {"max-age=600"}, "Age": {"-300"}}, 10 * time.Minute},
		"expires":                {http.Header{"Date": {at(0)}, "Expires": {at(5 * time.Minute)}}, 5 * time.Minute},
		"expired":                {http.Header{"Date": {at(0)}, "Expires": {at(-time.Hour)}}, f.Least},
		"expires at no time":     {http.Header{"Expires": {"0"}}, f.Least},
		"expires without a date": {http.Header{"Expires": {at(0)}}, f.Least},
		"expires, but max-age":   {http.Header{"Cache-Control": {"max-age=300"}, "Expires": {at(time.Hour)}, "Date": {at(0)}}, 5 * time.Minute},
		"expires in an age":      {http.Header{"Date": {"Mon, 01 Jan 0001 00:00:00 GMT"}, "Expires": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, f.Most},
	} {
		if name == "expires without a date" {
			test.header.Set("Expires", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}
		if got := f.Of(test.header); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A source that writes nonsense can be forgiven.
func TestUnreadableFreshness(t *testing.T) {
	f := Freshness{Usual: 15 * time.Minute, Least: time.Second, Most: time.Hour, Unreadable: 20 * time.Minute}
	for header, want := range map[string]time.Duration{
		"":                             15 * time.Minute,
		"public":                       15 * time.Minute,
		"public, max-age=60":           time.Minute,
		"Max-Age=\"60\"":               time.Minute,
		"max-age=0":                    time.Second,
		"no-store":                     time.Second,
		"max-age=60, no-cache":         time.Second,
		"max-age=-1":                   20 * time.Minute,
		"max-age=x":                    20 * time.Minute,
		"max-age=x, max-age=60":        time.Minute,
		"max-age=99999999999999999999": time.Hour,
		"s-maxage=5, max-age=2147483":  time.Hour,
	} {
		if got := f.Of(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	if got := (Freshness{Usual: time.Minute, Least: time.Hour, Most: time.Second}).Of(http.Header{}); got != time.Hour {
		t.Errorf("bounds that contradict each other: %v", got)
	}
}

func FuzzFreshness(f *testing.F) {
	f.Add("public, max-age=300", "Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:00 GMT", "5")
	f.Add(`max-age="1", no-store`, "0", "", "-1")
	f.Add("max-age=99999999999999999999,max-age=,=,,", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "99999999999999999999")
	f.Add("max-age=-9223372036854775808", "", "", "")
	f.Add("mAX-Age=-10000000000", "", "", "")
	f.Fuzz(func(t *testing.T, cacheControl, expires, date, age string) {
		got := testFreshness.Of(http.Header{"Cache-Control": {cacheControl}, "Expires": {expires}, "Date": {date}, "Age": {age}})
		if got < testFreshness.Least || got > testFreshness.Most {
			t.Errorf("fresh for %v", got)
		}
	})
}
