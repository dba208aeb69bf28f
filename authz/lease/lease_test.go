package lease_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/lease"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// The promises of the package comment.
const (
	stopsWithin = 12 * time.Second
	takenAfter  = 20 * time.Second
	takenWithin = 26 * time.Second // two looks more: one that sees the last renewal, and one that finds it too old
	handover    = 3 * time.Second
)

func openStore(t *testing.T) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// link is how a replica reaches the store.
type link struct {
	storage.Store
	mu    sync.Mutex
	fault func(context.Context) error // nil: none
	lost  bool                        // Apply happens, and its answer is lost
}

func (l *link) set(fault func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

func (l *link) check(ctx context.Context) error {
	l.mu.Lock()
	fault := l.fault
	l.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx)
}

func (l *link) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if err := l.check(ctx); err != nil {
		return storage.Record{}, err
	}
	return l.Store.Get(ctx, table, key)
}

func (l *link) Apply(ctx context.Context, writes ...storage.Write) error {
	if err := l.check(ctx); err != nil {
		return err
	}
	err := l.Store.Apply(ctx, writes...)
	if l.lost && err == nil {
		return storage.ErrUnavailable
	}
	return err
}

func cut(context.Context) error { return storage.ErrUnavailable }

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// tenure is one run of the work.
type tenure struct {
	who        string
	began, end time.Time // end is zero while it goes on
	cause      error     // of its end
}

// diary is what the replicas did.
type diary struct {
	mu      sync.Mutex
	tenures []*tenure
}

// work goes on until its context ends, and a moment longer.
func (d *diary) work(who string) func(context.Context) error {
	return func(ctx context.Context) error {
		d.mu.Lock()
		now := &tenure{who: who, began: time.Now()}
		d.tenures = append(d.tenures, now)
		d.mu.Unlock()
		<-ctx.Done()
		time.Sleep(time.Second)
		d.mu.Lock()
		now.end, now.cause = time.Now(), context.Cause(ctx)
		d.mu.Unlock()
		return ctx.Err()
	}
}

// all are the tenures so far.
func (d *diary) all() []tenure {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]tenure, len(d.tenures))
	for i, t := range d.tenures {
		all[i] = *t
	}
	return all
}

// last is the latest tenure.
func (d *diary) last() tenure {
	all := d.all()
	if len(all) == 0 {
		return tenure{}
	}
	return all[len(all)-1]
}

// overlap returns two tenures that were at the same time, if there are such.
func (d *diary) overlap() []tenure {
	all := d.all()
	for i := 1; i < len(all); i++ {
		if before := all[i-1]; before.end.IsZero() || before.end.After(all[i].began) {
			return all[i-1 : i+1]
		}
	}
	return nil
}

// replica is a contender that runs.
type replica struct {
	*link
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, store storage.Store, d *diary, who string) *replica {
	ctx, stop := context.WithCancel(t.Context())
	r := &replica{&link{Store: store}, stop, make(chan error, 1)}
	go func() { r.ended <- lease.Run(ctx, r, "work", d.work(who)) }()
	return r
}

func startThree(t *testing.T, store storage.Store, d *diary) map[string]*replica {
	replicas := map[string]*replica{}
	for _, who := range []string{"a", "b", "c"} {
		replicas[who] = start(t, store, d, who)
	}
	time.Sleep(time.Minute)
	return replicas
}

func stopAll(t *testing.T, replicas map[string]*replica) {
	t.Helper()
	for _, r := range replicas {
		r.stop()
	}
	for who, r := range replicas {
		if err := <-r.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func TestOneWorksAndAnotherFollowsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := openStore(t), &diary{}
		replicas := startThree(t, store, d)
		for len(replicas) > 0 { // a rolling stop
			if len(d.all()) != 4-len(replicas) {
				t.Fatalf("%d tenures with %d replicas left", len(d.all()), len(replicas))
			}
			who := d.last().who
			replicas[who].stop()
			if err := <-replicas[who].ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			free := time.Now()
			delete(replicas, who)
			time.Sleep(time.Minute)
			if gap := d.last().began.Sub(free); len(replicas) > 0 && gap > handover {
				t.Errorf("nobody worked for %v after %s had stopped", gap, who)
			}
		}
		if both := d.overlap(); both != nil {
			t.Errorf("at the same time: %+v", both)
		}
		if _, _, err := storage.Leases.Get(t.Context(), store, "work"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the lease was not released: %v", err)
		}
	})
}

// Two leases have nothing to do with one another.
func TestLeasesOfOtherNamesDontMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, n := openStore(t), 0
		for _, name := range []string{"x", "y"} {
			if err := lease.Run(t.Context(), store, name, func(ctx context.Context) error {
				n++
				return lease.Run(ctx, store, name+name, func(context.Context) error { n++; return nil })
			}); err != nil {
				t.Error(err)
			}
		}
		if n != 4 {
			t.Errorf("%d of 4", n)
		}
	})
}

// A holder that can't reach the store stops well before another begins, whichever way the store fails;
// and it is a contender again afterwards.
func TestHolderWithoutStore(t *testing.T) {
	for name, fault := range map[string]func(context.Context) error{"refused": cut, "no answer": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				replicas := startThree(t, openStore(t), d)
				first := d.last().who
				failed := time.Now()
				replicas[first].set(fault)
				time.Sleep(time.Minute)
				second := d.last()
				if second.who == first {
					t.Fatal("nobody followed")
				}
				if both := d.overlap(); both != nil {
					t.Errorf("at the same time: %+v", both)
				}
				ended := d.all()[0].end.Sub(failed) - time.Second // as long as the work takes to stop
				began := second.began.Sub(failed)
				if ended > stopsWithin || began < takenAfter-5*time.Second || began > takenWithin {
					t.Errorf("ended after %v, the next began after %v", ended, began)
				}
				replicas[first].set(nil)
				for _, who := range []string{"a", "b", "c"} {
					if who != first {
						replicas[who].stop()
					}
				}
				time.Sleep(time.Minute)
				if d.last().who != first {
					t.Errorf("%s did not come back", first)
				}
				stopAll(t, replicas)
			})
		})
	}
}

// When nobody reaches the store nobody works, and afterwards one does.
func TestStoreFailsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		replicas := startThree(t, openStore(t), d)
		for _, r := range replicas {
			r.set(cut)
		}
		time.Sleep(time.Hour)
		if len(d.all()) != 1 || d.last().end.IsZero() {
			t.Errorf("tenures during the outage: %d, the last %+v", len(d.all()), d.last())
		}
		for _, r := range replicas {
			r.set(nil)
		}
		time.Sleep(handover)
		if len(d.all()) != 2 || !d.last().end.IsZero() {
			t.Errorf("tenures after the outage: %d, the last %+v", len(d.all()), d.last())
		}
		if both := d.overlap(); both != nil {
			t.Errorf("at the same time: %+v", both)
		}
		stopAll(t, replicas)
	})
}

// A short outage that the holder survives ends nothing.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		replicas := startThree(t, openStore(t), d)
		for range 10 {
			for _, r := range replicas {
				r.set(cut)
			}
			time.Sleep(4 * time.Second)
			for _, r := range replicas {
				r.set(nil)
			}
			time.Sleep(4 * time.Second)
		}
		if len(d.all()) != 1 || !d.last().end.IsZero() {
			t.Errorf("%d tenures, the last %+v", len(d.all()), d.last())
		}
		stopAll(t, replicas)
	})
}

// Whether a write that failed has happened after all is for the next look to find out.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := openStore(t), &diary{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- lease.Run(ctx, &link{Store: store, lost: true}, "work", d.work("a")) }()
		time.Sleep(10 * time.Minute) // it neither gets the lease nor leaves it
		rival := start(t, store, d, "b")
		time.Sleep(10 * time.Minute)
		stop()
		<-ended
		time.Sleep(time.Minute)
		if d.last().who != "b" {
			t.Errorf("at last %+v", d.last())
		}
		if both := d.overlap(); both != nil {
			t.Errorf("at the same time: %+v", both)
		}
		rival.stop()
		<-rival.ended
	})
}

// A holder that finds another's record, or none, has lost the lease, and stops at the next renewal.
func TestLeaseTakenAway(t *testing.T) {
	thief := storage.Leases.Put("work", &storage.Lease{Holder: "thief"}, storage.Any, time.Time{})
	spoilt := thief
	spoilt.Value = []byte(`"spoilt"`)
	for name, write := range map[string]storage.Write{
		"deleted": storage.Leases.Delete("work", storage.Any), "taken": thief, "spoilt": spoilt,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, d := openStore(t), &diary{}
				r := start(t, store, d, "a")
				time.Sleep(time.Minute)
				taken := time.Now()
				if err := store.Apply(t.Context(), write); err != nil {
					t.Fatal(err)
				}
				time.Sleep(takenWithin + 10*time.Second)
				if len(d.all()) != 2 {
					t.Fatalf("%d tenures", len(d.all()))
				}
				if stopped := d.all()[0].end.Sub(taken); stopped > 7*time.Second {
					t.Errorf("stopped after %v", stopped)
				}
				if began := d.last().began.Sub(taken); name != "deleted" && began < takenAfter {
					t.Errorf("taken back after %v", began)
				}
				r.stop()
				<-r.ended
			})
		})
	}
}

// A process that is stopped in the middle of its work goes on in the tenure of another. Its writes are computed from
// records that the other has changed, so they lose.
func TestHolderThatWakesUpTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		const counter = "counter" // the last that was done
		step := func(ctx context.Context, between func()) error {
			_, version, err := storage.Marks.Get(ctx, store, counter)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			between()
			return store.Apply(ctx, storage.Marks.Put(counter, &storage.Mark{}, storage.At(version), time.Time{}))
		}
		asleep := &link{Store: store}
		ctx, stop := context.WithCancel(t.Context())
		late := make(chan error, 1)
		go lease.Run(ctx, asleep, "work", func(context.Context) error {
			late <- step(context.WithoutCancel(ctx), func() {
				asleep.set(cut) // nothing of this process gets through
				time.Sleep(time.Minute)
				asleep.set(nil)
			})
			stop()
			return nil
		})
		time.Sleep(10 * time.Second)
		if err := lease.Run(t.Context(), store, "work", func(ctx context.Context) error {
			return step(ctx, func() {})
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-late; !storage.IsConflict(err) {
			t.Errorf("the one who came too late: %v", err)
		}
	})
}

// Work that returns by itself ends Run, and the next has the lease.
func TestWorkThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		for _, want := range []error{nil, errors.New("broken")} {
			began := time.Now()
			if err := lease.Run(t.Context(), store, "work", func(context.Context) error { return want }); !errors.Is(err, want) {
				t.Errorf("%v instead of %v", err, want)
			}
			if time.Since(began) > 0 {
				t.Errorf("it took %v", time.Since(began))
			}
		}
	})
}

// A store that is closed or hangs doesn't hold up the end of a server.
func TestStopWithoutStore(t *testing.T) {
	for name, fault := range map[string]func(context.Context) error{"refused": cut, "no answer": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				r := start(t, openStore(t), d, "a")
				time.Sleep(time.Minute)
				r.set(fault)
				began := time.Now()
				r.stop()
				<-r.ended
				if took := time.Since(began) - time.Second; took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// The tests above would see two at a time.
func TestDiarySeesTwoAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := openStore(t), &diary{}
		ctx, stop := context.WithCancel(t.Context())
		for _, name := range []string{"x", "y"} {
			go lease.Run(ctx, store, name, d.work(name))
		}
		time.Sleep(time.Minute)
		if d.overlap() == nil {
			t.Error("it does not")
		}
		stop()
		time.Sleep(time.Minute)
	})
}
