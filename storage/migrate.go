package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Migrations lead from format 1 to the present one: the first step from 1 to 2, and so on. They work on any
// engine:
//
//	scan a page ─> convert each record ─> one Apply: what replaces them, and how far we are ─┐
//	     ▲                                                                                   │
//	     └───────────────────────────────────────────────────────────────────────────────────┘
//
// If the process dies, the store's Format says where to go on. Two processes that run at once convert each
// page once, because only one of them can move the Format.
type Migrations []Step

// Step turns the records of one format into those of the next, table by table.
type Step []Conversion

// Conversion is what a step does to the records of one table.
type Conversion struct {
	Table Table

	// Convert returns the writes that replace a record, or none if the record is valid in the new format. The
	// result depends only on the record. A write under another key must not go to a table, or to a later key,
	// that this step still has to convert.
	Convert func(Record) ([]Write, error)
}

// Current are the migrations of this authzd.
var Current = Migrations{
	toFormat2,
	toFormat3,
	toFormat4,
}

// migratePage is how many records one Apply converts.
const migratePage = 100

// Format is the format that the migrations lead to.
func (m Migrations) Format() int { return len(m) + 1 }

// Check reports whether a store must be migrated before it is used, as Judge does. It marks a new store,
// which has no records, with the present format. A store that is being filled need not be migrated yet: first
// the rest must arrive, in the format of the source.
func (m Migrations) Check(ctx context.Context, s Store) (due bool, err error) {
	if due, err = m.check(ctx, s); err != nil || !due {
		return false, err
	}
	_, err = s.Get(ctx, Transfers.Table, TransferKey)
	return errors.Is(err, ErrNotFound), notFoundIsNil(err)
}

func (m Migrations) check(ctx context.Context, s Store) (due bool, err error) {
	due, known, err := m.known(ctx, s)
	if known || err != nil || m.Format() == 1 {
		return due, err
	}
	empty, err := isEmpty(ctx, s)
	if err != nil {
		return false, err
	}
	if !empty { // perhaps another replica has marked it, and begun to work
		due, known, err = m.known(ctx, s)
		return due || !known, err
	}
	err = s.Apply(ctx, Formats.Put(FormatKey, &Format{Number: m.Format()}, Absent, time.Time{}))
	if IsConflict(err) {
		return m.check(ctx, s) // another replica was faster
	}
	return false, err
}

// known is Judge if the store has a Format.
func (m Migrations) known(ctx context.Context, s Store) (due, known bool, err error) {
	rec, err := s.Get(ctx, Formats.Table, FormatKey)
	if err != nil {
		return false, false, notFoundIsNil(err)
	}
	due, err = m.Judge(rec.Value)
	return due, true, err
}

// Run migrates a store to the present format, and goes on where another run ended. Nothing else may use the
// store meanwhile, except another Run. progress, unless nil, is called after each page.
//
// Each step first converts every record without writing any: a record that cannot be converted leaves
// the store in the format that it had before the step. After an error of the store, run it again.
func (m Migrations) Run(ctx context.Context, s Store, progress func(Progress)) error {
	for seen := 0; ; {
		if due, err := m.Check(ctx, s); err != nil || !due {
			return err
		}
		f, version, err := readFormat(ctx, s)
		if err != nil {
			return err
		}
		n := 0
		if f.Table == "" && f.Number == m.Format() {
			continue // another has come to the end meanwhile
		}
		if f.Table == "" {
			err = m.begin(ctx, s, f.Number+1, version)
		} else {
			n, err = m.advance(ctx, s, f, version)
		}
		if err != nil && (IsConflict(err) || moved(ctx, s, version)) {
			continue
		} else if err != nil {
			return fmt.Errorf("migrate to format %d: %w", m.Format(), err)
		}
		if seen += n; progress != nil && n > 0 {
			progress(Progress{f.Number, f.Table, seen})
		}
	}
}

// Progress is how far a migration has come.
type Progress struct {
	Format  int // the target of the step
	Table   Table
	Records int // looked at by this run
}

func readFormat(ctx context.Context, s Store) (*Format, uint64, error) {
	f, version, err := Formats.Get(ctx, s, FormatKey)
	if errors.Is(err, ErrNotFound) {
		return &Format{Number: 1}, 0, nil
	}
	return f, version, err
}

// moved reports whether another run has moved the Format since a version. If so, a failure may be harmless: a
// step of both runs may meet records that the other has already converted.
func moved(ctx context.Context, s Store, version uint64) bool {
	_, now, err := readFormat(ctx, s)
	return err == nil && now != version
}

// begin marks the store as being migrated to a format, after a rehearsal. From then on no older authzd opens
// it.
func (m Migrations) begin(ctx context.Context, s Store, number int, version uint64) error {
	step := m[number-2]
	for _, c := range step {
		if err := c.rehearse(ctx, s); err != nil {
			return fmt.Errorf("%w; the records are as they were", err)
		}
	}
	f := &Format{Number: number}
	if len(step) > 0 {
		f.Table = step[0].Table
	}
	return s.Apply(ctx, Formats.Put(FormatKey, f, At(version), time.Time{}))
}

// advance converts one page, and returns how many records were on it.
func (m Migrations) advance(ctx context.Context, s Store, f *Format, version uint64) (int, error) {
	c, next, err := m[f.Number-2].find(f.Table)
	if err != nil {
		return 0, err
	}
	writes, n, last, err := c.page(ctx, s, string(f.After))
	if err != nil {
		return 0, err
	}
	then := &Format{Number: f.Number, Table: f.Table, After: []byte(last)}
	if n < migratePage {
		then.Table, then.After = next, nil
	}
	return n, s.Apply(ctx, append(writes, Formats.Put(FormatKey, then, At(version), time.Time{}))...)
}

// rehearse converts every record and writes nothing.
func (c Conversion) rehearse(ctx context.Context, s Store) error {
	for rec, err := range All(ctx, s, c.Table, "") {
		if err == nil {
			_, err = c.convert(rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// page converts the next records after a key.
func (c Conversion) page(ctx context.Context, s Store, after string) (writes []Write, n int, last string, err error) {
	recs, err := s.Scan(ctx, c.Table, "", after, migratePage)
	if err != nil {
		return nil, 0, "", err
	}
	for _, rec := range recs {
		w, err := c.convert(rec)
		if err != nil {
			return nil, 0, "", err
		}
		writes, last = append(writes, w...), rec.Key
	}
	return writes, len(recs), last, nil
}

func (c Conversion) convert(rec Record) ([]Write, error) {
	writes, err := c.Convert(rec)
	if err != nil {
		return nil, fmt.Errorf("convert %s record: %w", c.Table, err)
	}
	return writes, nil
}

// find returns the conversion of a table and the table that comes next, or "" if there is none.
func (s Step) find(table Table) (c Conversion, next Table, err error) {
	for i, c := range s {
		switch {
		case c.Table != table:
		case i+1 < len(s):
			return c, s[i+1].Table, nil
		default:
			return c, "", nil
		}
	}
	return Conversion{}, "", fmt.Errorf("the step knows no table %q", table)
}

func isEmpty(ctx context.Context, s Store) (bool, error) {
	for _, table := range Tables {
		recs, err := s.Scan(ctx, table, "", "", 1)
		if err != nil || len(recs) > 0 {
			return false, err
		}
	}
	return true, nil
}

func notFoundIsNil(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
