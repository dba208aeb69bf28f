// Package outbox delivers what other servers must get sooner or later: logout tokens to clients (OpenID Connect
// Back-Channel Logout 1.0 section 2.5), and mails to people. It stands between a change in the store and the network,
// so that no page waits for another machine, and nothing is lost if one is away.
//
//	a change -> Logout, Mail, Notify: writes of the same Apply -> Watch: Wake
//
//	Run: what is due, oldest first -> a queue for each host -> claim -> carrier: logouts, mails
//	                                                             |            |
//	the time of the next attempt, should this one come to nothing <+          |
//	                     delivered, or given up: the record is deleted       <+
//
// The claim is a compare-and-set that moves the record to the time of the next attempt, before this attempt
// is made. So one of many replicas makes the attempt, and if a process is killed in the middle of it, the
// record is found again. A client may therefore get a token twice, with the same jti, a person a mail twice, with the
// same Message-ID, and nothing is lost.
//
// Operators see what waits and what was given up: List.
package outbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// Config is the input of New.
type Config struct {
	Store    storage.Store
	Observer *observe.Observer
	Logger   *slog.Logger

	Logouts Logouts

	// Mail sends mails. nil: there are none, and nothing that needs them is offered.
	Mail *mail.Office
	// Sealer seals what mails say while they wait, because it may let its reader in.
	Sealer *keys.Sealer
	// MailLost returns the writes that record a mail that was given up. outcome is one of observe's, and code the SMTP
	// server's answer, 0 if there was none.
	MailLost func(ctx context.Context, m *storage.Mail, outcome string, code int) []storage.Write

	// FirstRetry is the time between the first attempt and the second. Each further pause is twice as long,
	// up to an hour. It must be longer than Logouts.Client takes for one call. 0: 15 seconds.
	FirstRetry time.Duration
	// GiveUpAfter is the time from the end of the session to the last attempt to deliver a logout token. 0: 24 hours.
	GiveUpAfter time.Duration
	// GiveUpMailAfter is the time to the last attempt to send a mail. 0: 72 hours.
	GiveUpMailAfter time.Duration
	// StopWithin is how long an attempt that has begun may go on after Run was asked to stop. Then it is cut, and made
	// again later. 0: 15 seconds.
	StopWithin time.Duration
}

// Logouts says how logout tokens are made and delivered.
type Logouts struct {
	Client *outbound.Client // used only here, so that a slow relying party delays nothing else

	// Host returns the host where a client will probably be called, so that no host uses up everything; "" if
	// it is unknown. It waits only for the store.
	Host func(ctx context.Context, clientID string) (string, error)
	// Address returns the backchannel_logout_uri of a client, or "" if it has none (any more).
	Address func(ctx context.Context, clientID string) (string, error)
	// Sign returns the logout token with the given jti (section 2.4).
	Sign func(ctx context.Context, l *storage.Logout, jti string) (string, error)
}

// Outbox has the deliveries that must still be made. It is safe for concurrent use.
type Outbox struct {
	config  Config
	wake    chan struct{}
	queue   *queue
	running sync.WaitGroup
}

// New returns the outbox in the configured store.
func New(c Config) *Outbox {
	if c.FirstRetry <= 0 {
		c.FirstRetry = 15 * time.Second
	}
	if c.GiveUpAfter <= 0 {
		c.GiveUpAfter = 24 * time.Hour
	}
	if c.GiveUpMailAfter <= 0 {
		c.GiveUpMailAfter = 72 * time.Hour
	}
	if c.StopWithin <= 0 {
		c.StopWithin = 15 * time.Second
	}
	return &Outbox{config: c, wake: make(chan struct{}, 1), queue: newQueue(c.FirstRetry)}
}

// Logout is the write that makes a logout token due at once.
func (o *Outbox) Logout(l storage.Logout) storage.Write {
	return put(newID(), storage.Delivery{QueuedAt: l.EndedAt, Logout: &l})
}

// put is the write that makes a delivery due at once.
func put(id string, d storage.Delivery) storage.Write {
	return storage.Deliveries.Put(storage.DueKey(d.QueuedAt, id), &d, storage.Absent, time.Time{})
}

// newID returns the id of a delivery, which stays the same as long as it is tried.
func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Wake makes Run look for due deliveries. It does not wait.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // Run will look anyway
	}
}
