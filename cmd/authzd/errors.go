package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/authzd/authzd/config"
)

// usageError is a mistake of the caller: exit code 2.
type usageError struct {
	err  error
	hint string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }
func (e usageError) Hint() string  { return e.hint }

// hinted is a failure with advice for the caller: exit code 1.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }
func (e hinted) Hint() string  { return e.hint }

func exitCode(err error) int {
	if errs := (config.Errors)(nil); errors.As(err, &errs) {
		return 2
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// printError writes each error on a separate line, followed by its hint. Lines about a file begin with its
// name and position, so that editors can jump there.
func printError(w io.Writer, err error) {
	if errs := (config.Errors)(nil); errors.As(err, &errs) {
		for _, e := range errs {
			fmt.Fprintln(w, e)
			printHint(w, e.Hint)
		}
		noun := "errors"
		if len(errs) == 1 {
			noun = "error"
		}
		fmt.Fprintf(w, "authzd: %d %s in the configuration\n", len(errs), noun)
		return
	}
	fmt.Fprintf(w, "authzd: %v\n", err)
	if hinted := (interface{ Hint() string })(nil); errors.As(err, &hinted) {
		printHint(w, hinted.Hint())
	}
}

func printHint(w io.Writer, hint string) {
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}
