// Package postgres is the shared engine of authzd: any number of replicas on one PostgreSQL, or on a database
// with its protocol and dialect (CockroachDB, YugabyteDB).
//
// A call needs one round trip, on a connection from a pool. Calls that come while others are under way share
// a round trip, which saves much work for the database and for authzd under load:
//
//	Get ───> batcher ─> one SELECT for each table ───────────────────────> to each its record
//	Scan ──────────> pool ─> one SELECT ─────────────────────────────────> copy out
//	Apply ─> batcher ─> BEGIN, a statement for each write, COMMIT ─> fate ─> to each its own
//	                        sent together, made together               │
//	         alone, again, inside a deadline <── if nothing was made ──┘
//
// A batch is only the first attempt of its members, so no call fails because of another. A call that it did
// not settle goes on alone (Store.read, Store.applyAlone).
//
// statement.go has the statements, and schema.go makes the tables. fateOf interprets an error for a
// transaction. All connections go to the server that takes writes: each read decides what somebody may do,
// and a standby lags behind.
package postgres

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/authzd/authzd/storage"
)

// Options tune a Store. The zero value is good.
type Options struct {
	// Logger gets what an operator should act upon. nil: nothing is logged.
	Logger *slog.Logger

	// StartTimeout is how long Open waits for a server that is away. Zero: not at all.
	StartTimeout time.Duration

	// MaxConnections bounds the connections to the database. Zero means 20.
	MaxConnections int

	// SweepEvery is about how often expired records are looked for. Zero means one minute.
	SweepEvery time.Duration
}

// Store is a storage.Store in a PostgreSQL database.
type Store struct {
	pool       *pgxpool.Pool
	named      bool // statements are kept on connections, by their names
	gets       batcher[*get]
	applies    batcher[*apply]
	sweepEvery time.Duration

	groups, commits, conflicts, retries, swept atomic.Uint64
	starved                                    atomic.Bool // the last write failed for lack of resources, such as space

	closing   chan struct{}
	closeOnce sync.Once
	sweeping  sync.WaitGroup
}

var _ storage.Store = (*Store)(nil)

// Stats are the counters of a Store.
type Stats struct {
	Connections    int           // open
	MaxConnections int           // allowed
	InUse          int           // of those that are open
	Waits          uint64        // calls that found no connection free
	Waited         time.Duration // by all calls together, for a connection
	Groups         uint64        // transactions that were the first attempt of one Apply or of several
	Commits        uint64        // successful Apply calls since Open
	Conflicts      uint64        // Apply calls that lost a race
	Retries        uint64        // attempts that had to be repeated
	Swept          uint64        // expired records removed by this process
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	p := s.pool.Stat()
	return Stats{
		Connections:    int(p.TotalConns()),
		MaxConnections: int(p.MaxConns()),
		InUse:          int(p.AcquiredConns()),
		Waits:          uint64(p.EmptyAcquireCount()),
		Waited:         p.EmptyAcquireWaitTime(),
		Groups:         s.groups.Load(),
		Commits:        s.commits.Load(),
		Conflicts:      s.conflicts.Load(),
		Retries:        s.retries.Load(),
		Swept:          s.swept.Load(),
	}
}

// Scan implements storage.Store.
func (s *Store) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) (recs []storage.Record, err error) {
	if err := storage.CheckScan(table, limit); err != nil {
		return nil, err
	}
	from, to := prefix, afterPrefix(prefix)
	if after >= prefix {
		from = after + "\x00" // the key that comes next in the order of bytes
	}
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		recs, err = queryRecords(ctx, conn, statementsOf[table].scan.sql, []byte(from), []byte(to), limit)
		return err
	})
	return recs, err
}

// afterPrefix is the first key after all keys that begin with prefix.
func afterPrefix(prefix string) string {
	for last := len(prefix) - 1; last >= 0; last-- {
		if prefix[last] < 0xff {
			return prefix[:last] + string([]byte{prefix[last] + 1})
		}
	}
	return strings.Repeat("\xff", storage.MaxKey+1)
}

// row is a record as the driver reads it.
type row struct {
	key, value []byte
	version    int64
	expires    *time.Time
}

func (r row) record(key string) storage.Record {
	rec := storage.Record{Key: key, Value: r.value, Version: uint64(r.version)}
	if r.expires != nil {
		rec.Expires = r.expires.UTC()
	}
	return rec
}

// queryRecords runs a statement that returns whole rows.
func queryRecords(ctx context.Context, q querier, sql string, args ...any) ([]storage.Record, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(rows pgx.CollectableRow) (storage.Record, error) {
		var r row
		err := rows.Scan(&r.key, &r.value, &r.version, &r.expires)
		return r.record(string(r.key)), err
	})
}

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Ready implements storage.Store. If the database lacked resources at the last write, Ready writes to it
// again, so that the store turns ready by itself.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if s.starved.Load() {
		return s.Apply(ctx, storage.Write{Table: storage.Marks.Table, Key: "ready", Value: []byte("{}"), If: storage.Any, Expires: time.Unix(0, 0)})
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	err = checkPrimary(ctx, conn.Conn())
	tidy(ctx, conn, err)
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements storage.Store. Closing twice is harmless.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.sweeping.Wait()
		s.pool.Close()
	})
	return nil
}
