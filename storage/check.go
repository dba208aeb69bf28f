package storage

import "fmt"

// CheckWrites refuses what no engine may accept: a table that does not exist, a key or value beyond
// its limits, and two writes to one record. Every engine calls it before anything else in Apply.
func CheckWrites(writes []Write) error {
	type record struct {
		table Table
		key   string
	}
	seen := make(map[record]bool, len(writes))
	for _, w := range writes {
		if err := CheckTable(w.Table); err != nil {
			return err
		}
		if len(w.Key) == 0 || len(w.Key) > MaxKey {
			return fmt.Errorf("write to %s: key of %d bytes, allowed are 1 to %d", w.Table, len(w.Key), MaxKey)
		}
		if len(w.Value) > MaxValue {
			return fmt.Errorf("write to %s: value of %d bytes, allowed are %d", w.Table, len(w.Value), MaxValue)
		}
		if seen[record{w.Table, w.Key}] {
			return fmt.Errorf("write to %s: two writes name the same record", w.Table)
		}
		seen[record{w.Table, w.Key}] = true
	}
	return nil
}

// CheckScan refuses a table that does not exist, and a limit that is not positive.
func CheckScan(table Table, limit int) error {
	if err := CheckTable(table); err != nil {
		return err
	}
	if limit <= 0 {
		return fmt.Errorf("scan %s: limit %d is not positive", table, limit)
	}
	return nil
}

// CheckTable refuses a table that is not among Tables.
func CheckTable(table Table) error {
	if !knownTables[table] {
		return fmt.Errorf("unknown table %q", table)
	}
	return nil
}

var knownTables = func() map[Table]bool {
	known := make(map[Table]bool)
	for _, t := range Tables {
		known[t] = true
	}
	return known
}()
