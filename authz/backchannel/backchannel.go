// Package backchannel delivers logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.5). It is the
// outbox between the end of a session and the clients that must be told.
//
//	a session ends -> Write, one for each client, in the Apply that ends it -> Wake
//
//	Run: what is due, oldest first -> a queue for each host -> claim -> Sign -> POST
//	                                                             |            |
//	the time of the next attempt, should this one come to nothing <+          |
//	                     delivered, or refused for good: the record is deleted <+
//
// The claim is a compare-and-set that moves the record to the time of the next attempt, before this attempt
// is made. So one of many replicas makes the attempt, and if a process is killed in the middle of it, the
// record is found again. A client may therefore get a token twice, with the same jti, and no token is lost.
package backchannel

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// Config is the input of New.
type Config struct {
	Store    storage.Store
	Client   *outbound.Client // used only here, so that a slow relying party delays nothing else
	Observer *observe.Observer
	Logger   *slog.Logger

	// Host returns the host where a client will probably be called, so that no host uses up everything; "" if
	// it is unknown. It waits only for the store.
	Host func(ctx context.Context, clientID string) (string, error)
	// Address returns the backchannel_logout_uri of a client, or "" if it has none (any more).
	Address func(ctx context.Context, clientID string) (string, error)
	// Sign returns the logout token with the given jti (section 2.4).
	Sign func(ctx context.Context, l *storage.Logout, jti string) (string, error)

	// FirstRetry is the time between the first attempt and the second. Each further pause is twice as long,
	// up to an hour. It must be longer than Client takes for one call. 0: 15 seconds.
	FirstRetry time.Duration
	// GiveUpAfter is the time from the end of the session to the last attempt. 0: 24 hours.
	GiveUpAfter time.Duration
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
	return &Outbox{config: c, wake: make(chan struct{}, 1), queue: newQueue(c.FirstRetry)}
}

// Write is the write that makes l due at once. Call Wake after it.
func (*Outbox) Write(l storage.Logout) storage.Write {
	var jti [16]byte
	rand.Read(jti[:]) // never fails
	key := storage.DueKey(l.EndedAt, base64.RawURLEncoding.EncodeToString(jti[:]))
	return storage.Logouts.Put(key, &l, storage.Absent, time.Time{})
}

// Wake makes Run look for due deliveries. It does not wait.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // Run will look anyway
	}
}
