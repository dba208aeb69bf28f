package storage

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Format is the format of a store's records. It is a record too, so that one Apply holds a step of a
// migration and its progress, and so that copies of a store have it.
type Format struct {
	Number int `json:"format"` // from 1

	// While a migration to Number is under way: the table that it converts now, and the last key that it has
	// converted there.
	Table Table  `json:"table,omitempty"`
	After []byte `json:"after,omitempty"`
}

// FormatKey is the only key of Formats. A store that lacks it has format 1.
const FormatKey = "records"

// FormatError says that this authzd does not read and write the format of the store's records.
type FormatError struct {
	Found int // format of the store
	Known int // newest format that this authzd knows
}

func (e *FormatError) Error() string {
	if e.newer() {
		return fmt.Sprintf("has format %d, written by a newer authzd; this one knows formats up to %d", e.Found, e.Known)
	}
	return fmt.Sprintf("has records of format %d or on their way from it, this authzd needs format %d", e.Found, e.Known)
}

// Hint says what to do.
func (e *FormatError) Hint() string {
	if e.newer() {
		return "run the authzd that last used it, or a newer one; or restore a backup from before the update"
	}
	return "stop every authzd on it, make a backup, and run: authzd migrate up"
}

func (e *FormatError) newer() bool { return e.Found > e.Known }

// Judge reports whether a store must be migrated before it is used. value is the value of its Format, or nil
// if there is none. The error is a *FormatError if the store is newer than these migrations. Engines that can
// look before they open for writing call it first.
func (m Migrations) Judge(value []byte) (due bool, err error) {
	f, err := parseFormat(value)
	switch {
	case err != nil:
		return false, err
	case f.Number > m.Format():
		return false, &FormatError{Found: f.Number, Known: m.Format()}
	}
	return f.Number < m.Format() || f.Table != "", nil
}

// FormatOf returns the number in the value of a store's Format, nil if there is none.
func FormatOf(value []byte) (int, error) {
	f, err := parseFormat(value)
	return f.Number, err
}

func parseFormat(value []byte) (Format, error) {
	if value == nil {
		return Format{Number: 1}, nil
	}
	var f Format
	if err := json.Unmarshal(value, &f); err != nil {
		return f, fmt.Errorf("decode the format of the store: %w", err)
	}
	if f.Number < 1 || f.Number == 1 && f.Table != "" {
		return f, errors.New("the format of the store is impossible")
	}
	return f, nil
}
