package outbound

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// spellings are ways to write the address of a machine that is none of the client's business.
var spellings = []string{
	// loopback
	"https://127.0.0.1/", "https://127.0.0.1:8443/", "https://127.8.9.10/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/",
	"https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[::127.0.0.1]/",
	"https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::7f00:1]/", "https://[2002:7f00:1::]/",
	"https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
	// spellings that inet_aton knows
	"https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0x7F.0x0.0x0.0x1/",
	"https://017700000001/", "https://0177.0.0.1/", "https://0177.0000.0000.0001/", "https://127.0.0.1./", "https://127.0.0.01/",
	"https://127.0.0.256/", "https://0/", "https://0x/", "https://1./",
	// other spellings of digits and dots
	"https://%31%32%37.0.0.1/", "https://127。0。0。1/", "https://①②⑦.0.0.1/", "https://127%2e0%2e0%2e1/",
	// unspecified, private, carrier-grade NAT, link-local and metadata
	"https://0.0.0.0/", "https://[::]/", "https://0.1.2.3/", "https://10.0.0.1/", "https://10.255.255.255/", "https://172.16.0.1/",
	"https://172.31.255.255/", "https://192.168.1.1/", "https://100.64.0.1/", "https://100.127.255.255/", "https://169.254.169.254/",
	"https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/", "https://[fc00::1]/", "https://[fe80::1]/", "https://[fec0::1]/",
	"https://[fe80::1%25eth0]/", "https://[::1%25lo]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::10.0.0.1]/",
	// documentation, benchmarks, multicast, reserved
	"https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://198.18.0.1/", "https://198.19.255.255/", "https://192.0.0.8/",
	"https://192.88.99.1/", "https://224.0.0.1/", "https://239.255.255.255/", "https://240.0.0.1/", "https://255.255.255.255/",
	"https://[2001:db8::1]/", "https://[3fff::1]/", "https://[ff02::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://[2001:2::1]/",
}

// notURLs are refused with any host.
var notURLs = []string{
	"", "/", "//example.com/", "example.com", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
	"data:text/plain,x", "javascript:alert(1)", "https:", "https:example.com", "https:///path", "https://:443/", "https://?q",
	"https://user@example.com/", "https://user:password@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/",
	"https://example.com#", "https://example.com/#fragment", "https://example.com:0/", "https://example.com:65536/",
	"https://example.com:-1/", "https://example.com:/", "https://example.com:443:80/", "https://example.com:https/",
	"https://exa mple.com/", " https://example.com/", "https://example.com/\r\nHost: a", "https://example.com/\x00", "https://example.com\\@a/",
	"https://münchen.example/", "https://example.com/ü", "https://[::1", "https://::1/", "https://[example.com]/", "https://a%25b/", "https://%zz/",
	"https://./", "https://../", "https://%DD.example.com/", "https://a=b.example.com/", "https://a<b.example.com/", "https://a,b/", "https://'a'/",
}

func TestURLsThatAreNotCalled(t *testing.T) {
	c := newClient(t, Config{})
	for _, raw := range spellings {
		if err := c.CheckURL(raw); !errors.Is(err, ErrBlocked) && !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", raw, err)
		}
		if _, err := c.Get(t.Context(), raw, Want{}); !errors.Is(err, ErrBlocked) && !errors.Is(err, ErrURL) {
			t.Errorf("get %q: %v", raw, err)
		}
	}
	for _, raw := range notURLs {
		if err := c.CheckURL(raw); !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestURLsThatAreCalled(t *testing.T) {
	c := newClient(t, Config{})
	for _, raw := range []string{
		"https://example.com", "https://example.com/jwks.json?a=b", "https://EXAMPLE.com:8443/", "https://example.com./", "https://8.8.8.8/",
		"https://[2606:4700::1111]/", "https://[64:ff9b::8.8.8.8]/", "https://[::ffff:8.8.8.8]/", "https://localhost/", // judged when it is dialled
		"https://172.15.255.255/", "https://172.32.0.1/", "https://100.63.0.1/", "https://100.128.0.1/", "https://0x7f.example.com/", "https://xn--mnchen-3ya.example/",
	} {
		if err := c.CheckURL(raw); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// Only what the operator has named is reached, and only there may it be plain http.
func TestAllowedNetworks(t *testing.T) {
	c := newClient(t, Config{AllowPrivateNetworks: prefixes("10.1.0.0/16", "fd00:1::/32")})
	for raw, want := range map[string]error{
		"https://10.1.2.3/": nil, "http://10.1.2.3/": nil, "https://[fd00:1::1]/": nil, "https://[::ffff:10.1.2.3]/": nil, "http://example.com/": nil, // judged when it is dialled
		"https://10.2.0.1/": ErrBlocked, "http://8.8.8.8/": ErrBlocked, "https://[fd00:2::1]/": ErrBlocked, "http://127.0.0.1/": ErrBlocked,
		"https://[64:ff9b::10.1.2.3]/": ErrBlocked, "ftp://10.1.2.3/": ErrURL,
	} {
		if err := c.CheckURL(raw); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", raw, err, want)
		}
	}
	for _, network := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if _, err := New(Config{AllowPrivateNetworks: []netip.Prefix{network}}); err == nil {
			t.Errorf("network %s is taken", network)
		}
	}
}

func TestSites(t *testing.T) {
	for host, want := range map[string]string{
		"a.b.example.com": "example.com", "EXAMPLE.com.": "example.com", "a.github.io": "a.github.io", "intranet": "intranet",
		"8.8.8.8": "8.8.8.8", "::ffff:8.8.8.8": "8.8.8.8", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "com": "com",
	} {
		if got := siteOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkParsed says what must be true of every URL that is called, in other words than parse does.
func checkParsed(t *testing.T, raw string, u *url.URL) {
	t.Helper()
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil && (!isPublic(addr) || addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || !addr.IsGlobalUnicast()) {
		t.Errorf("%q leads to %s", raw, addr)
	}
	if u.Scheme != "https" || host == "" || u.User != nil || u.Fragment != "" || len(raw) > maxURL {
		t.Errorf("%q is accepted", raw)
	}
	authority, _, _ := strings.Cut(raw[len("https://"):], "/")
	if authority, _, _ = strings.Cut(authority, "?"); !strings.EqualFold(authority, u.Host) {
		t.Errorf("%q has the authority %q, not %q", raw, authority, u.Host)
	}
	if host := strings.ToLower(strings.TrimSuffix(host, ".")); host == "" || !strings.HasSuffix(siteOf(host), "/64") && !strings.Contains(host, siteOf(host)) && !strings.Contains(host, ":") {
		t.Errorf("%q is of the site %q", raw, siteOf(host))
	}
}

// Every accepted URL is an https URL that all parsers read in the same way, to a name or to a public address.
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
