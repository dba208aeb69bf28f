package mail

import (
	"context"
	"slices"
	"sync"
	"time"
)

// boxSize is how many mails a Box keeps.
const boxSize = 100

// Box is a Transport that keeps the latest mails instead of sending them, for development and tests. The zero Box is
// empty and ready to use. It is safe for concurrent use.
type Box struct {
	mu    sync.Mutex
	mails []*Mail // the oldest first
}

var _ Transport = (*Box)(nil)

// Host implements Transport.
func (*Box) Host() string { return "box" }

// Patience implements Transport.
func (*Box) Patience() time.Duration { return time.Second }

// Send implements Transport. It never fails.
func (b *Box) Send(_ context.Context, m *Mail) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mails = append(b.mails, m); len(b.mails) > boxSize {
		b.mails = slices.Clone(b.mails[1:])
	}
	return "kept, and not sent", nil
}

// Mails returns the mails, the newest first. Do not change them.
func (b *Box) Mails() []*Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	mails := slices.Clone(b.mails)
	slices.Reverse(mails)
	return mails
}
