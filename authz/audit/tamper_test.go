package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/deflate"
	"github.com/authzd/authzd/storage"
)

// intruder can read and write the store, and lacks the server secret.
type intruder struct {
	t     *testing.T
	store storage.Store
	log   *Log // with a secret that is not the server's
}

func (x intruder) block(number int) *storage.AuditBlock {
	x.t.Helper()
	block, _, err := storage.AuditBlocks.Get(x.t.Context(), x.store, blockKey(number))
	if err != nil {
		x.t.Fatal(err)
	}
	return block
}

func (x intruder) apply(writes ...storage.Write) {
	x.t.Helper()
	if err := x.store.Apply(x.t.Context(), writes...); err != nil {
		x.t.Fatal(err)
	}
}

func (x intruder) put(number int, b *storage.AuditBlock) {
	x.t.Helper()
	x.apply(storage.AuditBlocks.Put(blockKey(number), b, storage.Any, time.Time{}))
}

func (x intruder) drop(numbers ...int) {
	x.t.Helper()
	for _, number := range numbers {
		x.apply(storage.AuditBlocks.Delete(blockKey(number), storage.Any))
	}
}

func (x intruder) lines(b *storage.AuditBlock) []string {
	x.t.Helper()
	text, err := linesOf(b)
	if err != nil {
		x.t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

// rewrite changes the events of a block, and makes it look right as far as that can be done without the
// secret: the count and the hash are true, and so are all blocks after it and the head.
func (x intruder) rewrite(number, last int, change func(lines []string) []string) {
	x.t.Helper()
	before := ""
	for n := number; n <= last; n++ {
		b := x.block(n)
		lines := x.lines(b)
		if n == number {
			before, lines = b.Before, change(lines)
		}
		b.Before, b.Count, b.Events = before, len(lines), deflate.Compress(deflate.Usual, []byte(strings.Join(lines, "")+"\n"))
		b.Hash = hashOf(b.AuditSeal, []byte(strings.Join(lines, "")+"\n"))
		b.MAC = x.log.macOfBlock(b.Hash)
		before = b.Hash
		x.put(n, b)
	}
	x.head(1, last)
}

// head makes the head say that these are all blocks.
func (x intruder) head(first, last int) {
	x.t.Helper()
	b := x.block(last)
	x.apply(x.log.putHead(&storage.AuditHead{First: first, Last: last, Hash: b.Hash, Sealed: b.Sealed}, uint64(storage.Any)))
}

// TestTampering: verification reports everything that an intruder does to the log, at the first block
// concerned, and the log goes on after it without hiding it.
func TestTampering(t *testing.T) {
	const blocks, events = 9, 3
	edit := func(lines []string) []string {
		lines[1] = strings.Replace(lines[1], "user-", "evil-", 1)
		return lines
	}
	for name, attack := range map[string]struct {
		tamper func(x intruder)
		at     int    // the block
		reason string // part of it
	}{
		"an event edited": {func(x intruder) {
			b := x.block(4)
			b.Events = deflate.Compress(deflate.Usual, []byte(strings.Join(edit(x.lines(b)), "")+"\n"))
			x.put(4, b)
		}, 4, "changed"},
		"an event edited, all hashes made anew": {func(x intruder) { x.rewrite(4, blocks, edit) }, 0, "head"},
		"an event edited, block hash made anew, head left": {func(x intruder) {
			head, _, err := storage.AuditHeads.Get(t.Context(), x.store, headKey)
			if err != nil {
				t.Fatal(err)
			}
			x.rewrite(4, blocks, edit)
			x.apply(storage.AuditHeads.Put(headKey, head, storage.Any, time.Time{}))
		}, 4, "lacks the server secret"},
		"an event dropped": {func(x intruder) {
			b := x.block(4)
			b.Events = deflate.Compress(deflate.Usual, []byte(strings.Join(x.lines(b)[1:], "")+"\n"))
			x.put(4, b)
		}, 4, "sealed with 3"},
		"an event dropped, its block sealed anew": {func(x intruder) {
			b := x.block(4)
			text := []byte(strings.Join(x.lines(b)[1:], "") + "\n")
			b.Count, b.Events = 2, deflate.Compress(deflate.Usual, text)
			b.Hash = hashOf(b.AuditSeal, text)
			x.put(4, b)
		}, 4, "lacks the server secret"},
		"events reordered": {func(x intruder) {
			b := x.block(4)
			lines := strings.Split(strings.Join(x.lines(b), ""), "\n")
			slices.Reverse(lines)
			b.Events = deflate.Compress(deflate.Usual, []byte(strings.Join(lines, "\n")+"\n"))
			x.put(4, b)
		}, 4, "changed"},
		"an event moved to another block": {func(x intruder) {
			b, c := x.block(4), x.block(5)
			one, two := x.lines(b), x.lines(c)
			b.Events = deflate.Compress(deflate.Usual, []byte(strings.Join(one[1:], "")+"\n"))
			c.Events = deflate.Compress(deflate.Usual, []byte(one[0]+strings.Join(two, "")+"\n"))
			x.put(4, b)
			x.put(5, c)
		}, 4, "events"},
		"a time changed": {func(x intruder) {
			b := x.block(4)
			b.Sealed = b.Sealed.Add(-time.Hour)
			x.put(4, b)
		}, 4, "before that of the block before"},
		"a block dropped":             {func(x intruder) { x.drop(4) }, 4, "missing"},
		"some blocks dropped":         {func(x intruder) { x.drop(4, 5, 6) }, 4, "here to 6 are missing"},
		"the first block dropped":     {func(x intruder) { x.drop(1) }, 1, "missing"},
		"the tail dropped":            {func(x intruder) { x.drop(7, 8, 9) }, 7, "here to 9, the last, are missing"},
		"the tail dropped, new head":  {func(x intruder) { x.drop(7, 8, 9); x.head(1, 6) }, 6, "head"},
		"the beginning dropped, head": {func(x intruder) { x.drop(1, 2); x.head(3, blocks) }, blocks, "head"},
		"blocks exchanged": {func(x intruder) {
			b, c := x.block(4), x.block(5)
			x.put(5, b)
			x.put(4, c)
		}, 4, "does not follow"},
		"a block twice":    {func(x intruder) { x.put(10, x.block(9)) }, 10, "does not follow"},
		"a block added":    {func(x intruder) { x.put(10, x.forged(9)) }, 10, "lacks the server secret"},
		"a block replaced": {func(x intruder) { x.put(4, x.forged(3)) }, 4, "lacks the server secret"},
		"a block spoilt": {func(x intruder) {
			x.apply(storage.Write{Table: storage.AuditBlocks.Table, Key: blockKey(4), Value: []byte("{"), If: storage.Any})
		}, 4, "can't be read"},
		"a block that unpacks to far too much": {func(x intruder) {
			b := x.block(4)
			b.Events = deflate.Compress(deflate.Usual, make([]byte, 4<<20))
			x.put(4, b)
		}, 4, "more than"},
		"a record that is no block": {func(x intruder) {
			x.apply(storage.Write{Table: storage.AuditBlocks.Table, Key: "zebra", Value: []byte("{}"), If: storage.Any})
		}, 10, "no block"},
		"the head dropped": {func(x intruder) { x.apply(storage.AuditHeads.Delete(headKey, storage.Any)) }, 1, "head removed"},
		"the copy of the head spoilt": {func(x intruder) {
			x.apply(storage.KeptHeads.Delete(storage.KeptHeadKey, storage.Any))
			x.apply(storage.KeptHeads.Put(storage.KeptHeadKey, &storage.AuditHead{First: 1}, storage.Any, time.Time{}))
		}, blocks, "copy of the head"},
		"the head spoilt": {func(x intruder) {
			x.apply(storage.Write{Table: storage.AuditHeads.Table, Key: headKey, Value: []byte("\x00"), If: storage.Any})
		}, 0, "head"},
		"everything dropped": {func(x intruder) {
			x.drop(1, 2, 3, 4, 5, 6, 7, 8, 9)
		}, 1, "here to 9, the last, are missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			l := newLog(t, store)
			fillBlocks(t, l, blocks, events)
			if report := verifyAll(t, l); len(report.Problems) > 0 || report.Blocks != blocks || report.Events != blocks*events {
				t.Fatalf("before: %+v", report)
			}
			attack.tamper(intruder{t, store, New(Config{Store: store, MAC: macUnder("a guess")})})

			report := verifyAll(t, l)
			if len(report.Problems) == 0 {
				t.Fatal("not noticed")
			}
			if p := report.Problems[0]; !strings.Contains(p.Reason, attack.reason) || (p.Block != attack.at && attack.at != 0) {
				t.Errorf("first problem is %+v, want %d %s", p, attack.at, attack.reason)
			}
			fillBlocks(t, l, 2, 1)
			if waiting(t, store) > 0 {
				t.Error("the log does not go on")
			}
			if after := verifyAll(t, l); len(after.Problems) == 0 && !hasTampered(t, l) {
				t.Error("the log covers up what was noticed before")
			}
		})
	}
}

// forged is a block as an intruder would add it behind another.
func (x intruder) forged(after int) *storage.AuditBlock {
	before := x.block(after)
	line, _ := written(x.t, x.log.Put(x.t.Context(), signIn("mallory")))
	return x.log.newBlock(&storage.AuditHead{Last: after, Hash: before.Hash, Sealed: before.Sealed}, []string{line}, time.Now())
}

func hasTampered(t *testing.T, l *Log) bool {
	t.Helper()
	events, _, err := l.List(t.Context(), Filter{Type: string(Tampered)}, Position{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(events) > 0
}

// TestRollback: a server that runs notices that the whole log and the copy of its head were put back to an
// earlier state, and so does a verification with a later head that was kept.
func TestRollback(t *testing.T) {
	store := newStore(t)
	l := newLog(t, store)
	fillBlocks(t, l, 3, 1)
	head, _, err := storage.AuditHeads.Get(t.Context(), store, headKey)
	if err != nil {
		t.Fatal(err)
	}
	fillBlocks(t, l, 2, 1)
	pin := verifyAll(t, l).Last
	x := intruder{t, store, nil}
	x.drop(4, 5)
	x.apply(storage.AuditHeads.Put(headKey, head, storage.Any, time.Time{}), keepHead(head))

	if report := verifyAll(t, l); len(report.Problems) > 0 {
		t.Fatalf("the store alone can't tell, and yet: %+v", report.Problems)
	}
	if _, err := l.CheckPoint(t.Context(), pin.Number, pin.Hash); err == nil {
		t.Error("the head that was kept is still there")
	}
	fillBlocks(t, l, 2, 1)
	if same, err := l.CheckPoint(t.Context(), pin.Number, pin.Hash); err != nil || same {
		t.Errorf("the block that has taken its place passes for it: %v", err)
	}
	if !hasTampered(t, l) {
		t.Error("the server has not noticed")
	}
}

// wipe empties the tables of the log.
func (x intruder) wipe() {
	x.t.Helper()
	for _, table := range []storage.Table{storage.AuditEvents.Table, storage.AuditBlocks.Table, storage.AuditHeads.Table} {
		recs, err := x.store.Scan(x.t.Context(), table, "", "", 1000)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, rec := range recs {
			x.apply(storage.Write{Table: table, Key: rec.Key, If: storage.Any})
		}
	}
}

// TestEmptied: a log that was emptied as a whole, or put back as a whole, while the rest of the store is as it
// was, is noticed by the next process, even if nothing happens; it is told once, and the verification says
// for good what is missing.
func TestEmptied(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(x intruder)
		found  string
	}{
		"emptied": {intruder.wipe, "the log was emptied"},
		"put back": {func(x intruder) {
			b := x.block(2)
			head := &storage.AuditHead{First: 1, Last: 2, Hash: b.Hash, Sealed: b.Sealed}
			newLog(x.t, x.store).putHead(head, 0) // the MAC is the server's, of that time
			x.drop(3)
			x.apply(storage.AuditHeads.Put(headKey, head, storage.Any, time.Time{}))
		}, "went back from block 3 to block 2"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			fillBlocks(t, newLog(t, store), 3, 2)
			c.tamper(intruder{t, store, nil})

			l := newLog(t, store)
			var alarms []string
			l.config.Tampered = func(_ context.Context, found string) { alarms = append(alarms, found) }
			if report := verifyAll(t, l); len(report.Problems) == 0 || !strings.Contains(report.Problems[0].Reason, c.found) {
				t.Errorf("verified: %+v", report.Problems)
			}
			l.config.Keep = time.Nanosecond // and nothing is tidied away
			if err := errors.Join(l.trim(t.Context()), l.sealAll(t.Context())); err != nil {
				t.Fatal(err)
			}
			if len(alarms) != 1 || !strings.Contains(alarms[0], c.found) || !hasTampered(t, l) {
				t.Errorf("alarms: %q", alarms)
			}
			fillBlocks(t, newLog(t, store), 1, 1) // of the next process
			report := verifyAll(t, l)
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Reason, "missing") || report.Last.Number != 5 || len(alarms) != 1 {
				t.Errorf("later: %+v, alarms %q", report, alarms)
			}
		})
	}
}

// TestNotEmptied: neither a new store nor one of an earlier authzd, which has no copy of the head, is an alarm.
func TestNotEmptied(t *testing.T) {
	store := newStore(t)
	for range 3 {
		l := newLog(t, store)
		l.config.Tampered = func(_ context.Context, found string) { t.Error("tampered:", found) }
		if err := l.sealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := verifyAll(t, l); len(report.Problems) > 0 {
			t.Errorf("%+v", report.Problems)
		}
		fillBlocks(t, l, 2, 1)
		if kept, spoilt, err := l.keptHead(t.Context()); err != nil || spoilt || kept.Last == 0 {
			t.Errorf("copy of the head: %+v, %v", kept, err)
		}
		intruder{t, store, nil}.apply(storage.KeptHeads.Delete(storage.KeptHeadKey, storage.Any))
	}
}

// TestForgedEvents: what an intruder puts among the events that wait is not sealed, nor what they change
// there; that somebody tried is.
func TestForgedEvents(t *testing.T) {
	store := newStore(t)
	l := newLog(t, store)
	x := intruder{t, store, New(Config{Store: store, MAC: macUnder("a guess")})}
	x.apply(x.log.Put(t.Context(), signIn("mallory")))
	x.apply(storage.Write{Table: storage.AuditEvents.Table, Key: "spoilt\n{\"type\":\"x\"}", Value: []byte("[]"), If: storage.Any})
	edited := l.Put(t.Context(), signIn("alice"))
	edited.Value = []byte(strings.ReplaceAll(string(edited.Value), "alice", "mallory"))
	moved := l.Put(t.Context(), signIn("bob"))
	moved.Key = "zzz"
	x.apply(edited, moved)
	if err := l.sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, _, err := l.List(t.Context(), Filter{}, Position{}, 100)
	if err != nil || len(events) != 4 || waiting(t, store) != 0 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if e.Type != Tampered || e.Outcome != Alarm || strings.Contains(e.Details["found"], "mallory") {
			t.Errorf("sealed: %+v", e)
		}
	}
	if report := verifyAll(t, l); len(report.Problems) > 0 {
		t.Errorf("%+v", report.Problems)
	}
}

// TestMACDomains: no MAC of one kind of message serves for another.
func TestMACDomains(t *testing.T) {
	l := New(Config{MAC: func(m []byte) []byte { return m }})
	hash := strings.Repeat("0", 64)
	seen := map[string]bool{}
	for _, mac := range [][]byte{
		l.macOfBlock(hash), l.macOfEvent("block", hash), l.macOfEvent("", hash), l.macOfHead(&storage.AuditHead{Hash: hash}),
		l.macOfHead(&storage.AuditHead{First: 1, Last: 12, Hash: hash}), l.macOfHead(&storage.AuditHead{First: 11, Last: 2, Hash: hash}),
	} {
		if seen[string(mac)] {
			t.Errorf("two messages are one: %q", mac)
		}
		seen[string(mac)] = true
	}
}
