package postgres

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestFate: a change counts as not made only if that is certain.
func TestFate(t *testing.T) {
	server := func(severity, code string) error {
		return &pgconn.PgError{Severity: severity, SeverityUnlocalized: severity, Code: code}
	}
	for name, tc := range map[string]struct {
		err  error
		want fate
	}{
		"lost condition":                 {server("ERROR", "22012"), lost},
		"serialization failure":          {server("ERROR", "40001"), undone},
		"deadlock":                       {server("ERROR", "40P01"), undone},
		"read-only":                      {server("ERROR", "25006"), undone},
		"disk full":                      {server("ERROR", "53100"), refused},
		"no such table":                  {server("ERROR", "42P01"), refused},
		"no such table, when prepared":   {&notSentError{server("ERROR", "42P01")}, refused},
		"completion unknown":             {server("ERROR", "40003"), unknown},
		"stopped, perhaps after COMMIT":  {server("FATAL", "57P01"), unknown},
		"crashed":                        {server("PANIC", "53100"), unknown},
		"stopped, before it was sent":    {&notSentError{server("FATAL", "57P01")}, undone},
		"no answer":                      {io.ErrUnexpectedEOF, unknown},
		"no answer in time":              {context.DeadlineExceeded, unknown},
		"no answer to what changes none": {&notSentError{io.ErrUnexpectedEOF}, undone},
		"two errors":                     {errors.Join(server("ERROR", "22012"), io.EOF), lost},
	} {
		if got := fateOf(tc.err); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
