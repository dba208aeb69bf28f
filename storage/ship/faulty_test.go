package ship

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// faulty is a destination whose requests fail when a test says so.
type faulty struct {
	Destination
	down atomic.Bool
	mu   sync.Mutex
	put  func(name string) error // nil: as usual; an error of errStored: stored, and the answer lost
}

var (
	errDown   = errors.New("network is unreachable")
	errStored = errors.New("connection reset while waiting for the answer")
)

func (f *faulty) onPut(fn func(name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put = fn
}

func (f *faulty) Put(ctx context.Context, name string, object []byte) error {
	if f.down.Load() {
		return errDown
	}
	f.mu.Lock()
	put := f.put
	f.mu.Unlock()
	if put != nil {
		if err := put(name); errors.Is(err, errStored) {
			return errors.Join(err, f.Destination.Put(ctx, name, object))
		} else if err != nil {
			return err
		}
	}
	return f.Destination.Put(ctx, name, object)
}

func (f *faulty) Get(ctx context.Context, name string) ([]byte, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Destination.Get(ctx, name)
}

func (f *faulty) List(ctx context.Context, folder string) ([]string, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Destination.List(ctx, folder)
}
