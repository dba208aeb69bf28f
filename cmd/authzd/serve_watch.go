package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watch counts and logs failures from before there is a request, which nothing else records.
type watch struct {
	logger     *slog.Logger
	accepts    *prometheus.CounterVec // by reason
	handshakes *prometheus.CounterVec // by reason
	reloads    prometheus.Counter
	notAfter   prometheus.Gauge

	mu   sync.Mutex
	said map[string]*said // by message and reason
}

// said is one kind of message, which is logged once in watchEvery.
type said struct {
	last     time.Time
	unlogged int // since the last one
}

// watchEvery is how often the same message is logged.
const watchEvery = time.Minute

// Reasons why a connection was not accepted, or its TLS handshake failed.
const (
	tooManyFiles = "too_many_open_files"
	notTLS       = "not_tls"      // plain http, or no protocol that we know
	refusedByIt  = "refused"      // by the client, which does not like the certificate
	incompatible = "incompatible" // no version or cipher suite in common
	clientGone   = "client_gone"  // before the handshake was complete: load balancers check so whether we are there
	otherReason  = "other"
)

func newWatch(registry prometheus.Registerer, logger *slog.Logger) *watch {
	w := &watch{
		logger: logger,
		accepts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authzd_accept_errors_total", Help: "Connections that could not be accepted.",
		}, []string{"reason"}),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authzd_tls_handshake_errors_total", Help: "TLS handshakes that failed.",
		}, []string{"reason"}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "authzd_certificate_reload_errors_total", Help: "Failed attempts to read a renewed certificate: the one before stays in use.",
		}),
		notAfter: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "authzd_certificate_not_after_seconds", Help: "Unix time at which the served certificate ends; 0: there is none.",
		}),
		said: map[string]*said{},
	}
	for _, reason := range []string{tooManyFiles, otherReason} {
		w.accepts.WithLabelValues(reason) // so that an alert on an increase has the zero before it
	}
	for _, reason := range []string{notTLS, refusedByIt, incompatible, clientGone, otherReason} {
		w.handshakes.WithLabelValues(reason)
	}
	registry.MustRegister(w.accepts, w.handshakes, w.reloads, w.notAfter)
	return w
}

// say logs a message, unless it was logged a moment ago. The next one says how many were left out.
func (w *watch) say(level slog.Level, message, reason string, attrs ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.said[message+reason]
	if s == nil {
		s = &said{}
		w.said[message+reason] = s
	}
	now := time.Now()
	if now.Sub(s.last) < watchEvery {
		s.unlogged++
		return
	}
	s.last = now
	if reason != "" {
		attrs = append(attrs, "reason", reason)
	}
	if s.unlogged > 0 {
		attrs = append(attrs, "unlogged", s.unlogged)
		s.unlogged = 0
	}
	w.logger.Log(context.Background(), level, message, attrs...)
}

// listener reports the errors of a listener. net/http tries again.
func (w *watch) listener(l net.Listener) net.Listener { return watchedListener{l, w} }

type watchedListener struct {
	net.Listener
	watch *watch
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		reason, attrs := otherReason, []any{"listener", l.Addr().String(), "error", err}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			reason = tooManyFiles
			attrs = append(attrs, "do", "raise the limit of open files of this process (LimitNOFILE in the unit of systemd, ulimit -n), or find out which peers hold so many connections open")
		}
		l.watch.accepts.WithLabelValues(reason).Inc()
		l.watch.say(slog.LevelWarn, "connections can't be accepted", reason, attrs...)
	}
	return conn, err
}

// serverLog is the log for net/http's messages.
func (w *watch) serverLog() *log.Logger { return log.New(serverLog{w}, "", 0) }

type serverLog struct{ watch *watch }

func (l serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	failure, ok := strings.CutPrefix(text, "http: TLS handshake error from ")
	if !ok {
		l.watch.logger.Debug(text)
		return len(line), nil
	}
	remote, cause, _ := strings.Cut(failure, ": ")
	reason := handshakeReason(cause)
	l.watch.handshakes.WithLabelValues(reason).Inc()
	level := slog.LevelWarn
	if reason == clientGone {
		level = slog.LevelInfo
	}
	l.watch.say(level, "TLS handshake failed", reason, "remote", remote, "error", cause)
	return len(line), nil
}

// handshakeReason sorts the errors of crypto/tls and net/http, which are texts.
func handshakeReason(cause string) string {
	for _, known := range []struct{ reason, part string }{
		{notTLS, "first record does not look like a TLS handshake"},
		{notTLS, "client sent an HTTP request to an HTTPS server"},
		{refusedByIt, "remote error"},
		{incompatible, "unsupported versions"},
		{incompatible, "no cipher suite"},
		{incompatible, "no mutually supported"},
		{incompatible, "protocol version not supported"},
		{clientGone, "EOF"},
		{clientGone, "connection reset"},
		{clientGone, "broken pipe"},
		{clientGone, "timeout"},
		{clientGone, "deadline exceeded"},
	} {
		if strings.Contains(cause, known.part) {
			return known.reason
		}
	}
	return otherReason
}

// certificateKept logs that a renewed certificate can't be used.
func (w *watch) certificateKept(name string, err error) {
	w.reloads.Inc()
	w.say(slog.LevelWarn, "the renewed certificate can't be read: the one before stays in use", "", "file", name, "error", err,
		"do", "write the whole chain and its key, readable to authzd; authzd tries both again")
}

// certificateServed records until when the served certificate is valid.
func (w *watch) certificateServed(name string, notAfter time.Time, renewed bool) {
	w.notAfter.Set(float64(notAfter.Unix()))
	if renewed {
		w.logger.Info("a renewed certificate is served", "file", name, "not_after", notAfter)
	}
}
