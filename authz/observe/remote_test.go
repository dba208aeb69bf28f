package observe

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var testProxies = proxies{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.0/8"),
}

func TestRemote(t *testing.T) {
	for _, test := range []struct {
		name, peer     string
		xff, forwarded []string
		want           string
	}{
		{"no proxy", "192.0.2.1:5", nil, nil, "192.0.2.1"},
		{"IPv6", "[2001:db8::1]:5", nil, nil, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5", nil, nil, "192.0.2.1"},
		{"zone", "[fe80::1%eth0]:5", nil, nil, "fe80::1"},
		{"Unix socket", "@", nil, nil, "invalid IP"},
		{"Unix socket, header", "@", []string{"192.0.2.7"}, nil, "invalid IP"},
		{"a stranger's word", "192.0.2.1:5", []string{"198.51.100.7"}, []string{"for=198.51.100.7"}, "192.0.2.1"},

		{"proxy without header", "10.0.0.1:5", nil, nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1:5", []string{"198.51.100.7"}, nil, "198.51.100.7"},
		{"IPv4 in IPv6 proxy", "[::ffff:10.0.0.1]:5", []string{"198.51.100.7"}, nil, "198.51.100.7"},
		{"IPv6 proxy", "[fd00::1]:5", []string{"2001:db8::7"}, nil, "2001:db8::7"},
		{"two proxies", "10.0.0.1:5", []string{"198.51.100.7, 10.0.0.2"}, nil, "198.51.100.7"},
		{"two lines", "10.0.0.1:5", []string{"198.51.100.7", "10.0.0.2"}, nil, "198.51.100.7"},
		{"client lies", "10.0.0.1:5", []string{"1.1.1.1, 10.9.9.9, 198.51.100.7"}, nil, "198.51.100.7"},
		{"client lies in another line", "10.0.0.1:5", []string{"1.1.1.1", "198.51.100.7"}, nil, "198.51.100.7"},
		{"inside only", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, nil, "10.0.0.3"},
		{"garbage behind the client", "10.0.0.1:5", []string{"<script>, 198.51.100.7"}, nil, "198.51.100.7"},
		{"garbage from the proxy", "10.0.0.1:5", []string{"198.51.100.7, unknown"}, nil, "10.0.0.1"},
		{"garbage from the second proxy", "10.0.0.1:5", []string{"198.51.100.7, x, 10.0.0.2"}, nil, "10.0.0.2"},
		{"empty", "10.0.0.1:5", []string{""}, nil, "10.0.0.1"},
		{"empty element", "10.0.0.1:5", []string{"198.51.100.7,"}, nil, "10.0.0.1"},
		{"port", "10.0.0.1:5", []string{"198.51.100.7:1234"}, nil, "198.51.100.7"},
		{"IPv6 port", "10.0.0.1:5", []string{"[2001:db8::7]:1234"}, nil, "2001:db8::7"},
		{"brackets", "10.0.0.1:5", []string{"[2001:db8::7]"}, nil, "2001:db8::7"},
		{"too many hops", "10.0.0.1:5", []string{"198.51.100.7" + strings.Repeat(",10.0.0.2", maxHops)}, nil, "10.0.0.2"},

		{"Forwarded", "10.0.0.1:5", nil, []string{"for=198.51.100.7"}, "198.51.100.7"},
		{"Forwarded, all parameters", "10.0.0.1:5", nil, []string{`proto=https;For="[2001:db8::7]:47011";by=10.0.0.1;host="a,b;c"`}, "2001:db8::7"},
		{"Forwarded, two proxies", "10.0.0.1:5", nil, []string{"for=1.1.1.1, for=198.51.100.7;proto=http", `for="10.0.0.2"`}, "198.51.100.7"},
		{"Forwarded, hidden client", "10.0.0.1:5", nil, []string{"for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
		{"Forwarded, no for", "10.0.0.1:5", nil, []string{"proto=https"}, "10.0.0.1"},
		{"Forwarded, client's host looks like a hop", "10.0.0.1:5", nil, []string{`for=198.51.100.7;host="a,for=1.1.1.1;x="`}, "198.51.100.7"},
		{"Forwarded, escapes", "10.0.0.1:5", nil, []string{`for=198.51.100.7;host="\",for=1.1.1.1;x=\""`}, "198.51.100.7"},
		{"Forwarded, client opens a quote", "10.0.0.1:5", nil, []string{`for="1.1.1.1, for=198.51.100.7`}, "10.0.0.1"},
		{"Forwarded, quote in a name", "10.0.0.1:5", nil, []string{`"x"for=1.1.1.1, for=198.51.100.7`}, "10.0.0.1"},
		{"Forwarded, garbage", "10.0.0.1:5", nil, []string{"198.51.100.7"}, "10.0.0.1"},

		{"both, agreeing", "10.0.0.1:5", []string{"198.51.100.7"}, []string{"for=198.51.100.7"}, "198.51.100.7"},
		{"both, one of them the client's", "10.0.0.1:5", []string{"198.51.100.7"}, []string{"for=1.1.1.1"}, "10.0.0.1"},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{}}
		if test.xff != nil {
			r.Header["X-Forwarded-For"] = test.xff
		}
		if test.forwarded != nil {
			r.Header["Forwarded"] = test.forwarded
		}
		if got, _ := testProxies.identify(r); got.String() != test.want {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
}

func TestRequestID(t *testing.T) {
	w := newWatch(t, func(c *Config) { c.TrustedProxies = testProxies })
	for _, test := range []struct {
		name, peer string
		id         string
		kept       bool
	}{
		{"from a proxy", "10.0.0.1:1", "0b8f2c57-6f2c_4a75.9c51", true},
		{"from a stranger", "192.0.2.1:1", "0b8f2c57", false},
		{"none", "10.0.0.1:1", "", false},
		{"longest", "10.0.0.1:1", strings.Repeat("a", maxRequestID), true},
		{"too long", "10.0.0.1:1", strings.Repeat("a", maxRequestID+1), false},
		{"with markup", "10.0.0.1:1", "<b>", false},
		{"with a space", "10.0.0.1:1", "a b", false},
		{"with a line feed", "10.0.0.1:1", "a\nlevel=ERROR", false},
		{"not ASCII", "10.0.0.1:1", "é", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		r.Header.Set("X-Request-Id", test.id)
		event, rec := w.event(t, r, func(http.ResponseWriter, *http.Request) {})
		got := rec.Header().Get("X-Request-Id")
		if (got == test.id) != test.kept || got == "" || event["request_id"] != got {
			t.Errorf("%s: answered %q, logged %v", test.name, got, event["request_id"])
		}
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	w := newWatch(t)
	seen := map[any]bool{}
	for range 1000 {
		event, _ := w.event(t, post(), func(http.ResponseWriter, *http.Request) {})
		if seen[event["request_id"]] {
			t.Fatal("the same id twice")
		}
		seen[event["request_id"]] = true
	}
}

// Only the address that the proxy appends counts, with anything before it.
func FuzzRemote(f *testing.F) {
	for _, s := range []string{"", "1.1.1.1", `for="`, `for=1.1.1.1;host="a,b"`, "10.0.0.2,", `\`, "for=10.0.0.2, for=10.0.0.2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		peer, client := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("198.51.100.7")
		for _, h := range []http.Header{
			{"X-Forwarded-For": {sent + ", 198.51.100.7"}},
			{"X-Forwarded-For": {sent, "198.51.100.7"}},
			{"Forwarded": {sent + ", for=198.51.100.7"}},
			{"Forwarded": {sent, "for=198.51.100.7"}},
			{"Forwarded": {sent}, "X-Forwarded-For": {"198.51.100.7"}},
			{"Forwarded": {"for=198.51.100.7"}, "X-Forwarded-For": {sent}},
		} {
			// The peer's own address is what we fall back to if the header is spoilt.
			if got := testProxies.client(peer, h); got != client && got != peer {
				t.Errorf("%v: %v", h, got)
			}
		}
	})
}

// Every value that an element can have is read back.
func FuzzForwarded(f *testing.F) {
	f.Add("[2001:db8::1]:80", `a,"b\c`)
	f.Fuzz(func(t *testing.T, hop, host string) {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		line := `host="` + quote.Replace(host) + `";for="` + quote.Replace(hop) + `" , for=x`
		if got := forwardedHops([]string{line}); !slices.Equal(got, []string{hop, "x"}) {
			t.Errorf("%q: %q", line, got)
		}
	})
}
