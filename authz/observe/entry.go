package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

const (
	maxName  = 128  // bytes of an identifier in an event
	maxText  = 1024 // bytes of a cause or an added value
	maxStack = 8192 // bytes of a panic's stack
	maxAdded = 8    // values added to one event
)

type entryKey struct{}

// Entry is the event of one request, as far as it is known. Handlers fill it in. Handler emits it once, when
// the answer is done, and drops later changes. All methods are safe for concurrent use, and do nothing on a
// nil Entry.
type Entry struct {
	observer  *Observer
	requestID string
	remote    netip.Addr

	mu                         sync.Mutex
	done                       bool
	quiet                      bool
	route                      string
	clientID, subject, grantID string
	grantType                  string
	loginMethod, loginOutcome  string
	loginReason                string
	outcome                    string
	code, description, cause   string
	stack                      string
	added                      []slog.Attr
}

// Event returns the event of the request that ctx belongs to. Outside of Handler it is nil, which is usable.
func Event(ctx context.Context) *Entry {
	e, _ := ctx.Value(entryKey{}).(*Entry)
	return e
}

// RequestID returns the id that names this request in the log and in X-Request-Id. It is made of
// letters, digits and "._-".
func (e *Entry) RequestID() string {
	if e == nil {
		return ""
	}
	return e.requestID
}

// Remote returns the client's address, as far as trusted proxies report it. It is the zero Addr if there is
// none, as on a Unix socket.
func (e *Entry) Remote() netip.Addr {
	if e == nil {
		return netip.Addr{}
	}
	return e.remote
}

// Known returns what is known by now: the route, the client_id, the user (sub) and the grant (gid).
func (e *Entry) Known() (route, clientID, subject, grantID string) {
	if e == nil {
		return "", "", "", ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.route, e.clientID, e.subject, e.grantID
}

// SetRoute names the route that matched, such as "token". Never pass a path.
func (e *Entry) SetRoute(name string) { e.set(func() { e.route = name }) }

// SetClient sets the client's client_id.
func (e *Entry) SetClient(id string) { e.set(func() { e.clientID = Clean(id, maxName) }) }

// SetSubject sets the user (sub).
func (e *Entry) SetSubject(sub string) { e.set(func() { e.subject = Clean(sub, maxName) }) }

// SetGrant sets the grant (gid).
func (e *Entry) SetGrant(gid string) { e.set(func() { e.grantID = Clean(gid, maxName) }) }

// SetGrantType sets the grant_type of a token request. If the request ends with status 200, it counts as an
// issued token.
func (e *Entry) SetGrantType(grantType string) {
	e.set(func() { e.grantType = Clean(grantType, maxName) })
}

// Outcomes of a login.
const (
	LoginSuccess = "success"
	LoginFailure = "failure"
)

// SetLoginReason sets the reason why a login failed.
func (e *Entry) SetLoginReason(reason string) {
	e.set(func() { e.loginReason = Clean(reason, maxName) })
}

// SetLogin says that this request finished a login attempt: its method ("password" or the id of a connector),
// and LoginSuccess or LoginFailure. It counts the login.
func (e *Entry) SetLogin(method, outcome string) {
	e.set(func() { e.loginMethod, e.loginOutcome = Clean(method, maxName), Clean(outcome, maxName) })
}

// SetOutcome names the result in a word, if the status alone would mislead. Without it the outcome is "ok",
// "refused" (status 4xx, or an error was set) or "failed" (5xx).
func (e *Entry) SetOutcome(outcome string) {
	e.set(func() { e.outcome = Clean(outcome, maxName) })
}

// SetError sets the error code that the client gets (such as invalid_grant), its description, which the pages
// of production do not show, and the private cause, which may be nil and never reaches the client.
func (e *Entry) SetError(code, description string, cause error) {
	e.set(func() {
		e.code, e.description, e.cause = Clean(code, maxName), Clean(description, maxText), ""
		if cause != nil {
			e.cause = Clean(cause.Error(), maxText)
		}
	})
}

// Add adds one value to the event. The key is a constant of the caller, and not one of the event's own keys.
// An event holds eight; further ones are dropped.
func (e *Entry) Add(key, value string) {
	e.set(func() {
		if len(e.added) < maxAdded {
			e.added = append(e.added, slog.String(key, Clean(value, maxText)))
		}
	})
}

// SetQuiet lowers the event to debug, unless an error is set. It is for probes and polls, which come all the time.
func (e *Entry) SetQuiet() { e.set(func() { e.quiet = true }) }

func (e *Entry) setPanic(v any) {
	e.set(func() {
		if v == http.ErrAbortHandler {
			e.outcome = "aborted"
			return
		}
		e.outcome, e.code = "panic", "server_error"
		e.cause = Clean(fmt.Sprint(v), maxText)
		e.stack = cut(string(debug.Stack()), maxStack) // our names and numbers, nothing of a client
	})
}

// set changes the entry, unless it is nil or was emitted.
func (e *Entry) set(change func()) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.done {
		change()
	}
}

func (e *Entry) level(status int) slog.Level {
	switch {
	case e.quiet && e.code == "":
		return slog.LevelDebug
	case status >= 500 || e.stack != "":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (e *Entry) result(status int) string {
	switch {
	case e.outcome != "":
		return e.outcome
	case status >= 500:
		return "failed"
	case status >= 400 || e.code != "":
		return "refused"
	}
	return "ok"
}

// emit writes the event "request". It uses the slog.Handler directly, because slog.Logger walks the stack for
// a source line, which is useless here. The entry no longer changes.
func (o *Observer) emit(x *exchange, status int, elapsed time.Duration) {
	e, ctx := &x.entry, x.request.Context()
	level := e.level(status)
	if !o.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 24) // on the stack
	attrs = append(attrs,
		slog.String("request_id", e.requestID),
		slog.String("method", Clean(x.request.Method, maxName)),
		slog.String("route", e.route),
		slog.Int("status", status),
		slog.String("outcome", e.result(status)),
		slog.Float64("duration_ms", float64(elapsed.Microseconds())/1000),
		slog.Int64("bytes", x.response.bytes),
		slog.String("remote", e.remoteText()),
	)
	attrs = appendKnown(attrs,
		slog.String("client_id", e.clientID),
		slog.String("sub", e.subject),
		slog.String("gid", e.grantID),
		slog.String("grant_type", e.grantType),
		slog.String("login_method", e.loginMethod),
		slog.String("login_outcome", e.loginOutcome),
		slog.String("login_reason", e.loginReason),
		slog.String("error", e.code),
		slog.String("error_description", e.description),
		slog.String("cause", e.cause),
		slog.String("stack", e.stack),
	)
	attrs = append(attrs, e.added...)

	record := slog.NewRecord(x.start.Add(elapsed), level, "request", 0)
	record.AddAttrs(attrs...)
	// If the log can't be written, the client is not at fault, and there is nobody else to tell.
	_ = o.logger.Handle(ctx, record)
}

// appendKnown adds only the strings that are set.
func appendKnown(attrs []slog.Attr, more ...slog.Attr) []slog.Attr {
	for _, a := range more {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

func (e *Entry) remoteText() string {
	if !e.remote.IsValid() {
		return ""
	}
	return e.remote.String()
}
