package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Kind binds a table to the Go type of its records.
type Kind[T any] struct{ Table Table }

// Get returns the record and its version, or ErrNotFound.
func (k Kind[T]) Get(ctx context.Context, s Store, key string) (*T, uint64, error) {
	rec, err := s.Get(ctx, k.Table, key)
	if err != nil {
		return nil, 0, err
	}
	v, err := k.decode(rec)
	return v, rec.Version, err
}

// Entry is one record of a Scan.
type Entry[T any] struct {
	Key     string
	Version uint64
	Value   *T
}

// Scan is Store.Scan with decoded values.
func (k Kind[T]) Scan(ctx context.Context, s Store, prefix, after string, limit int) ([]Entry[T], error) {
	recs, err := s.Scan(ctx, k.Table, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry[T], len(recs))
	for i, rec := range recs {
		if entries[i], err = k.Entry(rec); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Entry decodes a record that Store.Scan has read. Use it if one damaged record must not stop you.
func (k Kind[T]) Entry(rec Record) (Entry[T], error) {
	v, err := k.decode(rec)
	return Entry[T]{rec.Key, rec.Version, v}, err
}

// Put is the write that stores v. A zero expires means never.
func (k Kind[T]) Put(key string, v *T, cond Condition, expires time.Time) Write {
	b, err := json.Marshal(v)
	if err != nil { // record types are plain data; only a mistake in records.go can get here
		panic(fmt.Sprintf("encode %s record: %v", k.Table, err))
	}
	return Write{Table: k.Table, Key: key, Value: b, If: cond, Expires: expires}
}

// Delete is the write that removes a record.
func (k Kind[T]) Delete(key string, cond Condition) Write {
	return Write{Table: k.Table, Key: key, If: cond}
}

func (k Kind[T]) decode(rec Record) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(rec.Value, v); err != nil {
		return nil, fmt.Errorf("decode %s record: %w", k.Table, err)
	}
	return v, nil
}
