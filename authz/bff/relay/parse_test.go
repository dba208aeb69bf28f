package relay

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/weburl"
)

// Frames end where they end, however their bytes come.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x82\x7e\x00\x03abc\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x"), byte(3))
	f.Add(closeFrame(closeEnded, "over", true), byte(1))
	f.Add([]byte("\x81\x85abcdhello\x88\x02\x03\xe8\x8a\x00"), byte(2))
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x"), byte(7))
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		ends := func(step int) (ends []int, whole bool) {
			var fr frames
			for at := 0; at < len(stream); {
				end := min(len(stream), at+step)
				for rest := stream[at:end]; len(rest) > 0; {
					n := fr.next(rest)
					if n < 1 || n > len(rest) {
						t.Fatalf("%d of %d bytes", n, len(rest))
					}
					rest = rest[n:]
					if fr.whole() {
						ends = append(ends, end-len(rest))
					}
				}
				at = end
			}
			return ends, fr.whole()
		}
		all, whole := ends(len(stream) + 1)
		pieces, wholePieces := ends(int(piece) + 1)
		if len(all) != len(pieces) || whole != wholePieces {
			t.Fatalf("%v in one piece, %v in pieces of %d", all, pieces, piece+1)
		}
		for i := range all {
			if all[i] != pieces[i] {
				t.Fatalf("%v in one piece, %v in pieces of %d", all, pieces, piece+1)
			}
		}
	})
}

// A close frame is one frame, and says what it has to (RFC 6455 section 5.5.1).
func TestCloseFrame(t *testing.T) {
	for _, masked := range []bool{false, true} {
		frame := closeFrame(closeEnded, "over", masked)
		var fr frames
		if n := fr.next(frame); n != len(frame) || !fr.whole() || !fr.shut {
			t.Errorf("masked %t: %d of %d bytes, %+v", masked, n, len(frame), fr)
		}
		payload := frame[2:]
		if masked {
			payload = bytes.Clone(frame[6:])
			for i := range payload {
				payload[i] ^= frame[2+i%4]
			}
		}
		if string(payload) != "\x11\x31over" {
			t.Errorf("masked %t: %q", masked, payload)
		}
	}
}

// What leads to an API stays below its base path, and is the path that was judged.
func FuzzUpstream(f *testing.F) {
	for _, path := range []string{"/api/x", "/api/a%2Fb", "/%61pi/x;y=1", "/api/%e4", "/api/100%25", "/api/\u00e9", "/api/a?b"} {
		f.Add(path, true)
	}
	f.Fuzz(func(t *testing.T, raw string, slash bool) {
		rt, err := newRoute(Route{Path: "/api/", URL: "http://api.example.com:8080/base/", EncodedSlash: slash}, "")
		if err != nil {
			t.Fatal(err)
		}
		path, err := weburl.ReadPath(raw, weburl.PathOptions{EncodedSlash: slash})
		if err != nil || !rt.matches(path) {
			return
		}
		u, err := rt.upstream(raw, "")
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if u.Scheme != "http" || u.Host != "api.example.com:8080" || !strings.HasPrefix(u.EscapedPath(), "/base/") {
			t.Fatalf("%q leads to %s", raw, u)
		}
		again, err := weburl.ReadPath(u.EscapedPath(), weburl.PathOptions{EncodedSlash: slash})
		if err != nil || again != "/base/"+strings.TrimPrefix(path, "/api/") {
			t.Fatalf("%q, read as %q, leads to %q: %v", raw, path, again, err)
		}
	})
}

// No ticket stays in a query, and nothing else leaves it.
func FuzzCutTicket(f *testing.F) {
	for _, query := range []string{"", "ticket=a", "a=1&ticket=b&c", "%74icket=x&ticket", "ticket=a&ticket=b", "&&", "tickets=1&Ticket=2&ticket%00=3", "a;ticket=1"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		tickets, rest := cutTicket(query)
		if again, same := cutTicket(rest); len(again) > 0 && rest != "" || same != rest {
			t.Fatalf("%q: %q is left", query, rest)
		}
		if before, after := strings.Count(query, "&"), strings.Count(rest, "&"); after > before || len(tickets) == 0 && rest != query {
			t.Fatalf("%q: %q is left", query, rest)
		}
	})
}

// What an API says in a challenge becomes nothing but parameters of our own URL.
func FuzzStepUp(f *testing.F) {
	for _, line := range []string{
		`Bearer error="insufficient_user_authentication", acr_values="a b", max_age=5`, `Bearer error = insufficient_user_authentication`,
		`Bearer realm="x\", error=y", error="insufficient_user_authentication"`, `DPoP x, Bearer error="a"`, "Bearer acr_values=\"\r\nSet-Cookie: a=b\"",
	} {
		f.Add(line)
	}
	p := &Relay{config: Config{Login: "/bff/login"}}
	f.Fuzz(func(t *testing.T, line string) {
		answer := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {line}}}
		got := p.stepUp(answer)
		if (got != nil) != isStepUp(answer.Header) {
			t.Fatalf("%q: %v", line, got)
		}
		if got == nil {
			return
		}
		rest, ok := strings.CutPrefix(got.location, "/bff/login")
		if !ok || strings.ContainsAny(got.location, "\r\n <>\"#\\") || rest != "" && !strings.HasPrefix(rest, "?acr_values=") && !strings.HasPrefix(rest, "?max_age=") {
			t.Fatalf("%q leads to %q", line, got.location)
		}
	})
}
