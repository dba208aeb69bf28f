package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
)

const (
	// getBatches is how many batches of Gets are under way at most, each on another connection.
	getBatches = 4
	// maxGets bounds how long the first Get of a batch waits for the last.
	maxGets = 256
)

// get is a Get that waits for its batch.
type get struct {
	table   storage.Table
	key     string
	outcome chan error // takes one
	found   bool       // found and the record: to be read after the outcome
	record  storage.Record
}

// Get implements storage.Store. It is sent after the call, so it sees what was applied before.
func (s *Store) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if err := storage.CheckTable(table); err != nil {
		return storage.Record{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if ctx.Err() != nil { // a batch may take it at once
		return storage.Record{}, s.gaveUp(ctx)
	}
	g := &get{table: table, key: key, outcome: make(chan error, 1)}
	s.gets.add(g)
	select {
	case err := <-g.outcome:
		if err == nil {
			break
		}
		s.retries.Add(1)
		g = &get{table: table, key: key}
		if err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error { return s.query(ctx, conn, []*get{g}) }); err != nil {
			return storage.Record{}, err
		}
	case <-ctx.Done():
		s.gets.withdraw(g)
		return storage.Record{}, s.gaveUp(ctx)
	}
	if !g.found {
		return storage.Record{}, storage.ErrNotFound
	}
	return g.record, nil
}

// pickGets takes them in order of arrival.
func pickGets(waiting []*get) (batch, rest []*get) {
	n := min(len(waiting), maxGets)
	return waiting[:n:n], waiting[n:]
}

// getAll is the first attempt of a batch of Gets.
func (s *Store) getAll(batch []*get) {
	err := s.first(func(ctx context.Context, conn *pgx.Conn) error { return s.query(ctx, conn, batch) })
	for _, g := range batch {
		g.outcome <- err
	}
}

// query asks for all records in one round trip, with one statement for each table.
func (s *Store) query(ctx context.Context, conn *pgx.Conn, gets []*get) error {
	slices.SortFunc(gets, func(a, b *get) int { return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.key, b.key)) })
	batch := &pgx.Batch{}
	var tables [][]*get
	for rest := gets; len(rest) > 0; {
		table := rest[0].table
		n := slices.IndexFunc(rest, func(g *get) bool { return g.table != table })
		if n < 0 {
			n = len(rest)
		}
		stmt, err := s.prepared(ctx, conn, statementsOf[table].get)
		if err != nil {
			return err
		}
		batch.Queue(stmt, keys(rest[:n]))
		tables, rest = append(tables, rest[:n]), rest[n:]
	}
	results := conn.SendBatch(ctx, batch)
	defer results.Close()
	for _, gets := range tables {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if err := fill(gets, rows); err != nil {
			return err
		}
	}
	return results.Close()
}

// keys returns the keys of Gets in order, each once.
func keys(gets []*get) (keys [][]byte) {
	for i, g := range gets {
		if i == 0 || g.key != gets[i-1].key {
			keys = append(keys, []byte(g.key))
		}
	}
	return keys
}

// fill gives the rows to their Gets, which are in the order of their keys.
func fill(gets []*get, rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.key, &r.value, &r.version, &r.expires); err != nil {
			return err
		}
		key := string(r.key)
		i, _ := slices.BinarySearchFunc(gets, key, func(g *get, key string) int { return cmp.Compare(g.key, key) })
		for ; i < len(gets) && gets[i].key == key; i++ {
			gets[i].found, gets[i].record = true, r.record(key)
			r.value = slices.Clone(r.value)
		}
	}
	return rows.Err()
}
