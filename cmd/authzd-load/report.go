package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// row is one scenario with one number of connections.
type row struct {
	Alg         string  `json:"alg"`
	Scenario    string  `json:"scenario"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"per_second"`
	Bare        float64 `json:"bare_per_second"`             // the bare handler, in turns with the scenario
	Share       float64 `json:"share_of_bare"`               // Rate / Bare
	CPUShare    float64 `json:"cpu_share_of_bare,omitempty"` // the same by processor time per request, which other programs don't disturb
	OfRSA       float64 `json:"share_of_rsa,omitempty"`      // of the rate of RS256 signatures alone
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	P999        float64 `json:"p99_9_ms"`
	ServerCPU   float64 `json:"server_cpu_us,omitempty"`      // of one operation
	BareCPU     float64 `json:"bare_server_cpu_us,omitempty"` // of one request to the bare handler
	GenCPU      float64 `json:"generator_cpu_us"`             // of one operation
	Errors      int     `json:"errors"`
	FirstError  string  `json:"first_error,omitempty"`
}

// goal is a figure to reach.
type goal struct {
	Name  string  `json:"name"`
	Got   float64 `json:"got"`
	Want  float64 `json:"want"`
	Unit  string  `json:"unit"`
	Limit bool    `json:"at_most"` // Want is a maximum, not a minimum
	Met   bool    `json:"met"`
}

// report is all results.
type report struct {
	Rows  []row  `json:"rows"`
	Goals []goal `json:"goals"`
}

func newRow(alg string, s scenario, bare, measured *sample) row {
	p := measured.percentiles(0.5, 0.99, 0.999)
	r := row{
		Alg: alg, Scenario: s.name, Connections: 0,
		Rate: measured.rate(), Bare: bare.rate(),
		P50: milliseconds(p[0]), P99: milliseconds(p[1]), P999: milliseconds(p[2]),
		ServerCPU: microseconds(measured.each(measured.server)),
		BareCPU:   microseconds(bare.each(bare.server)),
		GenCPU:    microseconds(measured.each(measured.generator)),
		Errors:    measured.errors,
	}
	r.Share = r.Rate / r.Bare
	if measured.server > 0 {
		r.CPUShare = float64(bare.each(bare.server+bare.generator)) / float64(measured.each(measured.server+measured.generator))
	}
	if measured.err != nil {
		r.FirstError = measured.err.Error()
	}
	return r
}

func (r *report) atLeast(name string, got, want float64, unit string) {
	r.Goals = append(r.Goals, goal{name, got, want, unit, false, got >= want})
}

func (r *report) atMost(name string, got, want float64, unit string) {
	r.Goals = append(r.Goals, goal{name, got, want, unit, true, got <= want})
}

// judge adds the goals of a row.
func (r *report) judge(x row, s scenario) {
	name := fmt.Sprintf("%s, %s, %d connections", x.Scenario, x.Alg, x.Connections)
	if x.Errors > 0 {
		r.atMost(name+": errors", float64(x.Errors), 0, "")
	}
	switch {
	case x.Connections == 64 && x.OfRSA > 0:
		r.atLeast(name+": share of RSA signatures alone", 100*x.OfRSA, 85, "%")
	case x.Connections == 64:
		r.atLeast(name+": share of the bare handler", 100*x.Share, 100*s.share, "%")
	}
	if s.name == "refresh" && x.Alg == "ES256" {
		switch x.Connections {
		case 1:
			r.atMost(name+": median", x.P50, 2, "ms")
		case 64:
			r.atMost(name+": p99", x.P99, 60, "ms")
		}
	}
}

// missed reports whether a goal was missed.
func (r *report) missed() bool {
	for _, g := range r.Goals {
		if !g.Met {
			return true
		}
	}
	return false
}

const (
	heading = "alg    scenario            conns   req/s     bare  share  by cpu  of rsa   p50 ms   p99 ms p99.9 ms  server µs  bare µs   gen µs  errors\n"
	line    = "%-6s %-18s %6d %7.0f %8.0f %5.1f%% %6.1f%% %6.1f%% %8.2f %8.2f %8.2f %10.1f %8.1f %8.1f %7d\n"
)

func (x row) print(w io.Writer) {
	fmt.Fprintf(w, line, x.Alg, x.Scenario, x.Connections, x.Rate, x.Bare, 100*x.Share, 100*x.CPUShare, 100*x.OfRSA,
		x.P50, x.P99, x.P999, x.ServerCPU, x.BareCPU, x.GenCPU, x.Errors)
	if x.FirstError != "" {
		fmt.Fprintf(w, "       %s\n", x.FirstError)
	}
}

func (r *report) printGoals(w io.Writer) {
	for _, g := range r.Goals {
		verdict, bound := "met   ", "at least"
		if !g.Met {
			verdict = "MISSED"
		}
		if g.Limit {
			bound = "at most"
		}
		fmt.Fprintf(w, "%s  %s: %.1f %s (%s %g)\n", verdict, g.Name, g.Got, g.Unit, bound, g.Want)
	}
}

func (r *report) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
