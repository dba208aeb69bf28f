package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// prompt asks questions on a terminal.
type prompt struct {
	ctx  context.Context
	in   *os.File
	out  io.Writer
	read *bufio.Reader
}

// askAll asks for everything that no flag has set, each until the answer is valid.
func (p *prompt) askAll(cmd *cobra.Command, a *answers) error {
	p.read = bufio.NewReader(p.in)
	for _, q := range questions(a) {
		said := q.flag != "" && (cmd.Flags().Changed(q.flag) || q.flag == "issuer" && *q.answer != "") // by --domain
		if said || q.needed != nil && !q.needed(a) || q.optional && q.needed != nil {
			continue
		}
		if err := p.ask(a, q); err != nil {
			return err
		}
	}
	return nil
}

func (p *prompt) ask(a *answers, q question) error {
	text := strings.ReplaceAll(q.text, "`", "")
	if q.fallback != "" {
		text += " [" + q.fallback + "]"
	}
	for {
		fmt.Fprintf(p.out, "%s: ", text)
		line, err := p.line(q.hidden)
		if err != nil {
			return err
		}
		if *q.answer = line; line == "" {
			*q.answer = q.fallback
		}
		if *q.answer == "" && q.optional {
			return nil
		}
		errs := mistakes(a, q)
		if errs == nil {
			return nil
		}
		for _, e := range errs {
			fmt.Fprintf(p.out, "  %s\n", e.Reason)
			if e.Hint != "" {
				fmt.Fprintf(p.out, "  hint: %s\n", e.Hint)
			}
		}
	}
}

// line reads one line. An interrupt ends it and leaves the terminal as it was.
func (p *prompt) line(hidden bool) (string, error) {
	fd := int(p.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the terminal: %w", err)
	}
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		if hidden {
			text, err := term.ReadPassword(fd)
			fmt.Fprintln(p.out)
			got <- result{string(text), err}
			return
		}
		text, err := p.read.ReadString('\n')
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			return "", usageError{fmt.Errorf("no answer: %w", r.err), "give all answers by flags: --help lists them"}
		}
		return strings.TrimSpace(r.text), nil
	case <-p.ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(p.out)
		return "", errors.New("interrupted: nothing was written")
	}
}
