package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// sample is the result of one load, in one or more slices of time.
type sample struct {
	elapsed   time.Duration
	latencies []time.Duration // of the operations that succeeded
	errors    int
	err       error         // the first
	server    time.Duration // processor time of the server
	generator time.Duration // processor time of this process
}

// load is operations that run in parallel, each on its own connection.
type load struct {
	conns      []*conn
	operations []operation
	server     *process // nil: not ours
	sample
}

// run repeats each operation for a slice of time.
func (l *load) run(slice time.Duration) {
	server, generator := l.server.cpu(), ownCPU()
	start := time.Now()
	var wg sync.WaitGroup
	results := make([]sample, len(l.operations))
	for i, op := range l.operations {
		l.conns[i].extend()
		wg.Go(func() {
			s := &results[i]
			for now := start; now.Sub(start) < slice && s.errors < maxErrors; {
				err := op()
				then := now
				if now = time.Now(); err != nil {
					s.errors, s.err = s.errors+1, err
				} else {
					s.latencies = append(s.latencies, now.Sub(then))
				}
			}
		})
	}
	wg.Wait()
	l.elapsed += time.Since(start)
	l.sample.server += l.server.cpu() - server
	l.generator += ownCPU() - generator
	for _, s := range results {
		l.latencies = append(l.latencies, s.latencies...)
		l.errors += s.errors
		if l.err == nil {
			l.err = s.err
		}
	}
}

// maxErrors ends a connection's part of a slice in which nothing works.
const maxErrors = 100

func (l *load) close() {
	for _, c := range l.conns {
		c.close()
	}
}

// rate is operations per second.
func (s *sample) rate() float64 {
	if s.elapsed == 0 {
		return 0
	}
	return float64(len(s.latencies)) / s.elapsed.Seconds()
}

// each divides a time among the operations.
func (s *sample) each(d time.Duration) time.Duration {
	return d / time.Duration(max(1, len(s.latencies)))
}

// percentiles returns the latencies below which the given parts of the operations stayed.
func (s *sample) percentiles(parts ...float64) []time.Duration {
	slices.Sort(s.latencies)
	found := make([]time.Duration, len(parts))
	for i, part := range parts {
		if n := len(s.latencies); n > 0 {
			found[i] = s.latencies[min(n-1, int(part*float64(n)))]
		}
	}
	return found
}

// bareLoad sends requests to the bare handler.
func bareLoad(p *process, connections int) *load {
	l := &load{server: p}
	for range connections {
		u := &user{target: &target{addr: p.addr}, conn: conn{addr: p.addr}}
		l.conns = append(l.conns, &u.conn)
		l.operations = append(l.operations, u.static(u.get("/", "")))
	}
	return l
}

// scenarioLoad prepares a scenario for each of some signed-in users.
func scenarioLoad(s scenario, server *process, users []*user) (*load, error) {
	l := &load{server: server}
	for _, u := range users {
		op, err := s.prepare(u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		l.conns = append(l.conns, &u.conn)
		l.operations = append(l.operations, op)
	}
	return l, nil
}

// rsaLoad only makes RS256 signatures, on every processor: the upper limit of any server that signs.
func rsaLoad() (*load, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("any token"))
	l := &load{}
	for range runtime.GOMAXPROCS(0) {
		l.conns = append(l.conns, &conn{})
		l.operations = append(l.operations, func() error {
			_, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
			return err
		})
	}
	return l, nil
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
