package main

import (
	"testing"
	"time"
)

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--url", "https://id.example.com", "--alg", "ES256"},
		{"--url", "http://id.example.com:9010", "--alg", "ES256"},
		{"--url", "http://127.0.0.1.example.com:9010", "--alg", "ES256"},
		{"--url", "http://localhost:9010", "--alg", "ES256"}, // a name may lead anywhere
		{"--url", "http://10.0.0.1:9010", "--alg", "ES256"},
		{"--url", "http://127.0.0.1", "--alg", "ES256"},
		{"--url", "http://127.0.0.1:9010/path", "--alg", "ES256"},
		{"--url", "://", "--alg", "ES256"},
		{"--url", "http://127.0.0.1:9010"}, // two algorithms
		{"--connections", "0"},
		{"--connections", "1,x"},
		{"--connections", ""},
		{"--scenarios", "jwks,nothing"},
		{"--alg", "HS256"},
		{"-o", "xml"},
		{"--duration", "0s"},
		{"--grants", "-1"},
		{"--grants", "10", "-o", "json"},
		{"--grants", "10", "--url", "http://127.0.0.1:9010", "--alg", "ES256"},
		{"--followers", "-1"},
		{"--followers", "10", "--ends", "0"},
		{"--followers", "10", "--grants", "10"},
		{"--postgres", "postgres://localhost/postgres"},
		{"argument"},
		{"--unknown"},
	} {
		if o, err := parse(args); err == nil {
			t.Errorf("%q: %+v, want an error", args, o)
		}
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--url", "http://[::1]:9010", "--alg", "RS256", "--connections", "2,4", "--scenarios", "jwks,code", "-o", "json", "--check"})
	if err != nil {
		t.Fatal(err)
	}
	if o.algs[0] != "RS256" || o.connections[1] != 4 || len(o.scenarios) != 2 || !o.json || !o.check || o.duration <= 0 {
		t.Errorf("%+v", o)
	}
}

func TestReport(t *testing.T) {
	bare := &sample{elapsed: time.Second, latencies: make([]time.Duration, 1000), server: time.Millisecond, generator: time.Millisecond}
	refresh := scenarios[5]
	for _, c := range []struct {
		what           string
		n, connections int
		latency        time.Duration
		errors         int
		alg            string
		ofRSA          float64
		met, missed    int
	}{
		{"fast", 100, 64, time.Millisecond, 0, "ES256", 0, 2, 0},
		{"few", 10, 64, time.Millisecond, 0, "ES256", 0, 1, 1},
		{"late", 100, 64, time.Second, 0, "ES256", 0, 1, 1},
		{"errors", 100, 64, time.Millisecond, 1, "ES256", 0, 2, 1},
		{"nothing", 0, 64, 0, 100, "ES256", 0, 1, 2},
		{"lone", 100, 1, time.Millisecond, 0, "ES256", 0, 1, 0},
		{"lone and slow", 100, 1, 3 * time.Millisecond, 0, "ES256", 0, 0, 1},
		{"rsa", 100, 64, time.Millisecond, 0, "RS256", 0.9, 1, 0},
		{"rsa too slow", 100, 64, time.Millisecond, 0, "RS256", 0.8, 0, 1},
		{"in between", 1, 16, time.Second, 0, "ES256", 0, 0, 0},
	} {
		measured := &sample{elapsed: time.Second, errors: c.errors}
		for range c.n {
			measured.latencies = append(measured.latencies, c.latency)
		}
		x := newRow(c.alg, refresh, bare, measured)
		x.Connections, x.OfRSA = c.connections, c.ofRSA
		var r report
		r.judge(x, refresh)
		met, missed := 0, 0
		for _, g := range r.Goals {
			if g.Met {
				met++
			} else {
				missed++
			}
		}
		if met != c.met || missed != c.missed || r.missed() != (missed > 0) {
			t.Errorf("%s: %d met and %d missed, want %d and %d: %+v", c.what, met, missed, c.met, c.missed, r.Goals)
		}
	}
}
