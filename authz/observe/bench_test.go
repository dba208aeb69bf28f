package observe

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

var answer = []byte(`{"ok":true}`)

// tokenHandler does with the event what a token endpoint does.
func tokenHandler(w http.ResponseWriter, r *http.Request) {
	e := Event(r.Context())
	e.SetRoute("token")
	e.SetClient("spa")
	e.SetSubject("0b8f2c57-6f2c-4a75-9c51-0f6b5d1d8a33")
	e.SetGrant("0199d7a2-3c4e-7b1a-8f00-5a3f6c2e9d10")
	e.SetGrantType("refresh_token")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(answer)
}

// BenchmarkHandler is what watching costs a request, beside the bare handler, and where it goes:
// into making the line, and into writing it.
func BenchmarkHandler(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	proxied := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, bench := range []struct {
		name    string
		logger  *slog.Logger
		proxies []netip.Prefix
	}{
		{"no log", slog.New(slog.DiscardHandler), nil},
		{"json", slog.New(slog.NewJSONHandler(io.Discard, nil)), nil},
		{"json, proxied", slog.New(slog.NewJSONHandler(io.Discard, nil)), proxied},
		{"text", slog.New(slog.NewTextHandler(io.Discard, nil)), nil},
		{"json to a file", slog.New(slog.NewJSONHandler(file, nil)), nil},
	} {
		o, err := New(Config{Logger: bench.logger, Routes: []string{"token"}, TrustedProxies: bench.proxies})
		if err != nil {
			b.Fatal(err)
		}
		h := o.Handler(http.HandlerFunc(tokenHandler))
		b.Run(bench.name, func(b *testing.B) { serveMany(b, h) })
	}
	b.Run("bare", func(b *testing.B) { serveMany(b, http.HandlerFunc(tokenHandler)) })
}

func serveMany(b *testing.B, h http.Handler) {
	r := httptest.NewRequest(http.MethodPost, "/token", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w := &sink{http.Header{}}
		for pb.Next() {
			h.ServeHTTP(w, r)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{
		"id":    "0b8f2c57-6f2c-4a75-9c51-0f6b5d1d8a33",
		"cause": errors.New("refresh token: record not found: the token was rotated at 12:00").Error(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Clean(s, maxText)
			}
		})
	}
}
