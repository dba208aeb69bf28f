package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve starts a server behind the listener, which counts its requests and answers with the bodies.
func serve(t *testing.T) (addr string, requests func() int) {
	var mu sync.Mutex
	n := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		mu.Unlock()
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %v", r.URL, body, err)
	}))
	server.Listener = Listener(server.Listener)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// talk sends a text in pieces, and returns what comes until the server closes.
func talk(t *testing.T, addr, text string, piece int) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	go func() {
		for rest := text; rest != ""; rest = rest[min(piece, len(rest)):] {
			if _, err := io.WriteString(c, rest[:min(piece, len(rest))]); err != nil {
				return
			}
		}
	}()
	all, _ := io.ReadAll(c) // the end may be a reset: bytes are left unread
	return string(all)
}

const host = "Host: x\r\n"

// What another program may read in another way is answered with 400, and the connection ends.
func TestRefused(t *testing.T) {
	addr, requests := serve(t)
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, text := range map[string]string{
		"both lengths":             "POST /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"both, the other way":      "POST /a HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n" + smuggled,
		"two codings":              "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked twice":            "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a list":                   "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"another coding":           "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a tab":                    "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled,
		"a blank before the colon": "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled,
		"a folded coding":          "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a folded line":            "GET /a HTTP/1.1\r\n" + host + "X-A: b\r\n c\r\n\r\n" + smuggled,
		"folded with a tab":        "GET /a HTTP/1.1\r\n" + host + "X-A: b\r\n\tContent-Length: 3\r\n\r\n" + smuggled,
		"folded, plain line ends":  "GET /a HTTP/1.1\nHost: x\nX-A: b\n c\n\n" + smuggled,
		"a folded first line":      "GET /a HTTP/1.1\r\n X-A: b\r\n" + host + "\r\n" + smuggled,
		"two lengths":              "POST /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd" + smuggled,
		"a length twice":           "POST /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd" + smuggled,
		"a list of lengths":        "POST /a HTTP/1.1\r\n" + host + "Content-Length: 4, 4\r\n\r\nabcd" + smuggled,
		"a signed length":          "POST /a HTTP/1.1\r\n" + host + "Content-Length: +4\r\n\r\nabcd" + smuggled,
		"a length of letters":      "POST /a HTTP/1.1\r\n" + host + "Content-Length: 0x4\r\n\r\nabcd" + smuggled,
		"no length":                "POST /a HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n" + smuggled,
		"HTTP/1.0 with chunks":     "POST /a HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a carriage return":        "GET /a HTTP/1.1\r\n" + host + "X-A: b\rContent-Length: 3\r\n\r\n" + smuggled,
		"an empty first line":      "\r\nGET /a HTTP/1.1\r\n" + host + "\r\n" + smuggled,
	} {
		for _, piece := range []int{1 << 20, 7} {
			before := requests()
			got := talk(t, addr, text, piece)
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") && got != "" || strings.Count(got, "HTTP/1.1") > 1 {
				t.Errorf("%s: %q", name, got)
			}
			if n := requests() - before; n > 0 {
				t.Errorf("%s: %d requests", name, n)
			}
			if got == "" && piece > 7 {
				t.Logf("%s: the answer was lost in a reset", name)
			}
		}
	}
	// A chunk that is none is in the middle of a body: the request began, and nothing follows it.
	for _, chunk := range []string{"x\r\n", "-1\r\n", "0x1\r\na\r\n0\r\n\r\n", "1\ra\r\n"} {
		if got := talk(t, addr, "POST /a HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\n"+chunk+smuggled, 1<<20); strings.Contains(got, "smuggled") {
			t.Errorf("%q: %q", chunk, got)
		}
	}
}

// What is good passes, a request before a bad one too.
func TestPassed(t *testing.T) {
	addr, _ := serve(t)
	last := "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, test := range map[string]struct{ text, want string }{
		"several":         {"GET /a HTTP/1.1\r\n" + host + "\r\nPOST /b HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\n\r\n x" + last, "/a  <nil>|/b \r\n x <nil>|/last  <nil>"},
		"chunks":          {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\n\r\n \r\n00A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n" + last, "/a \r\n 0123456789 <nil>|/last  <nil>"},
		"plain line ends": {"GET /a HTTP/1.1\nHost: x\n\n" + last, "/a  <nil>|/last  <nil>"},
		"empty length":    {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n" + last, "/a  <nil>|/last  <nil>"},
		"a long URL":      {"POST /a?" + strings.Repeat("b", 300) + " HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + last, "/a?" + strings.Repeat("b", 300) + " x <nil>|/last  <nil>"},
		"a long line":     {"GET /a HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("b", 3000) + "\r\n\r\n" + last, "/a  <nil>|/last  <nil>"},
	} {
		for _, piece := range []int{1 << 20, 3} {
			got := talk(t, addr, test.text, piece)
			r := bufio.NewReader(strings.NewReader(got))
			var bodies []string
			for {
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					break
				}
				body, _ := io.ReadAll(resp.Body)
				bodies = append(bodies, string(body))
			}
			if strings.Join(bodies, "|") != test.want {
				t.Errorf("%s: %q", name, bodies)
			}
		}
	}
	got := talk(t, addr, "GET /a HTTP/1.1\r\n"+host+"\r\nGET /b HTTP/1.1\r\n"+host+"X: a\r\n b\r\n\r\n", 1<<20)
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.Contains(got, "/b") { // net/http may close without the 400
		t.Errorf("good, then bad: %q", got)
	}
}

// The scanner sees requests where net/http does, in pieces of any length.
func FuzzScanner(f *testing.F) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n", "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(text), byte(4))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece byte) {
		whole, pieces := scanner{}, scanner{}
		_, ok := whole.scan(text)
		okInPieces := true
		for at := 0; at < len(text) && okInPieces; at += int(piece) + 1 {
			_, okInPieces = pieces.scan(text[at:min(len(text), at+int(piece)+1)])
		}
		if ok != okInPieces || whole.heads != pieces.heads {
			t.Fatalf("%q: %t and %d heads, in pieces %t and %d", text, ok, whole.heads, okInPieces, pieces.heads)
		}
		if !ok {
			return
		}
		r := bufio.NewReader(strings.NewReader(string(text)))
		n := 0
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				break
			}
			n++
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return // it reads no further
			}
		}
		if rest, err := r.Peek(1); err == nil && len(rest) > 0 {
			return // it refused one, and reads no further
		}
		if n > whole.heads {
			t.Fatalf("%q: %d requests, %d heads", text, n, whole.heads)
		}
	})
}
