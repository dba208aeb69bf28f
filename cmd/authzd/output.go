package main

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printer writes the result of a command: a table for people, or JSON in the form of the admin API.
type printer struct {
	w    io.Writer
	json bool
}

// done reports an action in words, and nothing for programs.
func (p *printer) done(format string, args ...any) {
	if !p.json {
		fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// value writes one thing: as JSON, or its rows, each a name and a value; it leaves out rows without a value.
func (p *printer) value(v any, rows [][2]string) error {
	if p.json {
		return p.encode(v)
	}
	t := newTable(p.w)
	for _, row := range rows {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	return t.flush()
}

func (p *printer) encode(v any) error {
	e := json.NewEncoder(p.w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printAll writes a list as it comes: as a JSON array, or as a table with these columns.
func printAll[T any](p *printer, all iter.Seq2[*T, error], columns []string, row func(*T) []string) error {
	if !p.json {
		t := newTable(p.w)
		t.row(columns...)
		for each, err := range all {
			if err != nil {
				return err
			}
			t.row(row(each)...)
		}
		return t.flush()
	}
	before := "[\n"
	for each, err := range all {
		if err != nil {
			return err
		}
		line, err := json.Marshal(each)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.w, "%s  %s", before, line)
		before = ",\n"
	}
	if before == "[\n" {
		_, err := fmt.Fprintln(p.w, "[]")
		return err
	}
	_, err := fmt.Fprintln(p.w, "\n]")
	return err
}

// first returns at most n of a list.
func first[T any](n int, all iter.Seq2[*T, error]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		left := n
		for each, err := range all {
			if left == 0 || !yield(each, err) {
				return
			}
			left--
		}
	}
}

// tableRows is after how many rows the widths of columns are fixed, so that a long list begins early.
const tableRows = 200

type table struct {
	w    *tabwriter.Writer
	rows int
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = visible(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
	if t.rows++; t.rows%tableRows == 0 {
		t.w.Flush() // an error comes back at the end
	}
}

func (t *table) flush() error { return t.w.Flush() }

// visible replaces characters that a terminal would interpret, because names come from strangers.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}

// when formats a time for people, in their zone.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func whenOrEmpty(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
