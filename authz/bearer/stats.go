package bearer

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// FollowerStats are what an operator watches of a Follower. The counts begin with NewFollower.
type FollowerStats struct {
	State   FeedState
	Age     time.Duration // since the newest document came; since NewFollower if none came
	Entries int           // on the list

	// Refused counts the tokens that were refused, by the claim that the feed named: gid, sid, sub, jti,
	// client_id; "all" by a rule for all tokens; "lost" because the feed was away.
	Refused map[string]uint64

	// Loads counts the answers of the feed: full, delta; gap and old could not be continued from; bad had a wrong
	// signature, type or form; failed counts all attempts that brought nothing, those that are bad too.
	Loads map[string]uint64
}

// Stats returns the figures of now. Age and State belong into an alarm.
func (f *Follower) Stats() FollowerStats {
	age, _ := f.age()
	f.mu.RLock()
	entries := f.list.Len()
	f.mu.RUnlock()
	c := &f.stats
	s := FollowerStats{State: f.State(), Age: age, Entries: entries, Refused: map[string]uint64{"lost": c.lost.Load()}, Loads: map[string]uint64{
		"full": c.full.Load(), "delta": c.deltas.Load(), "gap": c.gaps.Load(), "old": c.old.Load(), "bad": c.bad.Load(), "failed": c.failed.Load(),
	}}
	for i, name := range refusedBy {
		s.Refused[name] = c.refused[i].Load()
	}
	return s
}

// ServeHTTP writes the figures in the text format of Prometheus.
func (f *Follower) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s, issuer := f.Stats(), `{issuer="`+labelText.Replace(f.issuer)+`"`
	w.Header().Set("Content-Type", metricsType)
	var b strings.Builder
	fmt.Fprintf(&b, "# TYPE bearer_feed_age_seconds gauge\nbearer_feed_age_seconds%s} %.3f\n", issuer, s.Age.Seconds())
	fmt.Fprintf(&b, "# TYPE bearer_feed_entries gauge\nbearer_feed_entries%s} %d\n# TYPE bearer_feed_state gauge\n", issuer, s.Entries)
	for _, state := range []FeedState{FeedFresh, FeedStale, FeedLost} {
		is := 0
		if state == s.State {
			is = 1
		}
		fmt.Fprintf(&b, "bearer_feed_state%s,state=%q} %d\n", issuer, state, is)
	}
	writeCounts(&b, "bearer_feed_refused_total"+issuer, "claim", s.Refused)
	writeCounts(&b, "bearer_feed_loads_total"+issuer, "result", s.Loads)
	_, _ = io.WriteString(w, b.String()) // the client may have gone
}

func writeCounts(b *strings.Builder, metric, label string, counts map[string]uint64) {
	name, _, _ := strings.Cut(metric, "{")
	fmt.Fprintf(b, "# TYPE %s counter\n", name)
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "%s,%s=%q} %d\n", metric, label, key, counts[key])
	}
}

const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// labelText escapes the value of a label.
var labelText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// refusedBy are the claims of revocation.Kinds, in their order, and "all".
var refusedBy = [...]string{"gid", "sid", "sub", "jti", "client_id", "all"}

// followerCounts are counted without a lock.
type followerCounts struct {
	refused                              [len(refusedBy)]atomic.Uint64
	lost                                 atomic.Uint64
	full, deltas, gaps, old, bad, failed atomic.Uint64
}

func (c *followerCounts) refuse(kind revocation.Kind) {
	for i, k := range revocation.Kinds {
		if k == kind {
			c.refused[i].Add(1)
			return
		}
	}
	c.refused[len(c.refused)-1].Add(1)
}
