package observe

import (
	"context"
	"log/slog"
	"time"
)

// Alarms of authzd. Other names are logged unchanged and counted as "other".
const (
	CodeReuse         = "code_reuse"          // a used authorization code came again: its grant is revoked
	RefreshTokenReuse = "refresh_token_reuse" // a rotated refresh token came again: its family is revoked
	LoginThrottled    = "login_throttled"     // too many failed logins for one account or address
	ClientThrottled   = "client_throttled"    // too many wrong secrets of one client from one network
	LogoutUndelivered = "logout_undelivered"  // a client was not told that a session has ended, and won't be
	MailUndelivered   = "mail_undelivered"    // a mail did not arrive, and won't
	UserCodeThrottled = "user_code_throttled" // too many wrong codes of devices by one user or browser
	AuditTampered     = "audit_tampered"      // something was found in the audit log that the server did not leave there
	DatabaseLost      = "database_lost"       // the database file has been removed, replaced or cut: nothing is written any more
	GateStranger      = "gate_stranger"       // an address that is no trusted proxy asked a gate: the site's network or the gate's configuration is wrong
	RefreshRefused    = "refresh_refused"     // a provider refuses the refreshes of cookie mode, and no session explains it: the client is set up wrongly
)

var alarmNames = []string{CodeReuse, RefreshTokenReuse, LoginThrottled, ClientThrottled, LogoutUndelivered, MailUndelivered, UserCodeThrottled, AuditTampered, DatabaseLost, GateStranger, RefreshRefused}

// Alarm reports at once, at level WARN, that there may be an attack: an event "alarm" with the present
// content of the request's event, and authzd_alarms_total. The name is a constant. Values of attrs that are
// not numbers or times become strings, cleaned like those of an event. Outside of Handler it is logged to
// slog.Default() and not counted: see Observer.Alarm.
func Alarm(ctx context.Context, name string, attrs ...slog.Attr) {
	e := Event(ctx)
	if e == nil {
		writeAlarm(ctx, slog.Default().Handler(), name, attrs)
		return
	}
	e.observer.Alarm(ctx, name, append(e.identity(), attrs...)...)
}

// Alarm is Alarm without a request.
func (o *Observer) Alarm(ctx context.Context, name string, attrs ...slog.Attr) {
	o.metrics.alarm(name)
	writeAlarm(ctx, o.logger, name, attrs)
}

func writeAlarm(ctx context.Context, handler slog.Handler, name string, attrs []slog.Attr) {
	if !handler.Enabled(ctx, slog.LevelWarn) {
		return
	}
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "alarm", 0)
	record.AddAttrs(slog.String("alarm", name))
	for _, a := range attrs {
		switch a.Value.Kind() {
		case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		default:
			a.Value = slog.StringValue(Clean(a.Value.String(), maxText))
		}
		record.AddAttrs(a)
	}
	_ = handler.Handle(ctx, record) // as in emit
}

// identity returns the client, user and grant of the request.
func (e *Entry) identity() []slog.Attr {
	e.mu.Lock()
	defer e.mu.Unlock()
	return appendKnown(nil,
		slog.String("request_id", e.requestID),
		slog.String("route", e.route),
		slog.String("remote", e.remoteText()),
		slog.String("client_id", e.clientID),
		slog.String("sub", e.subject),
		slog.String("gid", e.grantID),
	)
}
