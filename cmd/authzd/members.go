package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/strictjson"
)

// memberFlag is one member of a client or a user that has a flag. --set sets all others.
type memberFlag struct {
	flag   string
	member string // name in the API; empty: that of the flag, with underscores
	text   string
	kind   memberKind
}

type memberKind int

const (
	asText memberKind = iota
	asBool
	asList
)

type members []memberFlag

// memberFlags are the flags of members, and their values.
type memberFlags struct {
	members members
	texts   map[string]*string
	bools   map[string]*bool
	lists   map[string]*[]string
	set     []string
}

func (m members) flags() *memberFlags {
	return &memberFlags{members: m, texts: map[string]*string{}, bools: map[string]*bool{}, lists: map[string]*[]string{}}
}

func (f *memberFlags) add(cmd *cobra.Command) {
	for _, m := range f.members {
		switch m.kind {
		case asText:
			f.texts[m.flag] = cmd.Flags().String(m.flag, "", m.text)
		case asBool:
			f.bools[m.flag] = cmd.Flags().Bool(m.flag, false, m.text)
		case asList:
			f.lists[m.flag] = cmd.Flags().StringArray(m.flag, nil, m.text)
		}
	}
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "`member=value` of the configuration's entry; the value is JSON, or else text; null removes it; may be repeated")
}

// document has the given members, by the names of the API.
type document map[string]any

func (f *memberFlags) said(cmd *cobra.Command) (document, error) {
	said := document{}
	for _, m := range f.members {
		name := m.member
		if name == "" {
			name = strings.ReplaceAll(m.flag, "-", "_")
		}
		if !cmd.Flags().Changed(m.flag) {
			continue
		}
		switch m.kind {
		case asText:
			said[name] = *f.texts[m.flag]
		case asBool:
			said[name] = *f.bools[m.flag]
		case asList:
			// An empty value means that there are to be none.
			said[name] = nonEmpty(*f.lists[m.flag])
		}
	}
	for _, each := range f.set {
		name, value, found := strings.Cut(each, "=")
		if !found || name == "" {
			return nil, usageError{fmt.Errorf("--set %q has no value", each), "write it like --set access_token_lifetime=5m"}
		}
		if name == "password" || name == "client_secret" {
			return nil, usageError{errors.New("a secret is not for the command line, where others can see it"), "passwords are asked for, and client secrets made by the server"}
		}
		var parsed any
		if json.Unmarshal([]byte(value), &parsed) != nil {
			parsed = value
		}
		said[name] = parsed
	}
	return said, nil
}

func nonEmpty(all []string) []string {
	some := []string{}
	for _, each := range all {
		if each != "" {
			some = append(some, each)
		}
	}
	return some
}

// into makes a request from the members. An unknown member is a mistake of the caller.
func (d document) into(request any) error {
	for _, name := range slices.Sorted(maps.Keys(d)) {
		raw, err := json.Marshal(document{name: d[name]})
		if err != nil {
			return err
		}
		if err := strictjson.Unmarshal(raw, request); err != nil {
			return usageError{fmt.Errorf("--set %s: %w", name, err), "members have the names and types of the configuration file: see docs/configuration.md"}
		}
	}
	return nil
}

// piped reports whether something was sent to standard input. It ignores a pipe that stays open and empty for
// a second.
func piped() bool {
	info, err := os.Stdin.Stat()
	if err != nil || !info.Mode().IsRegular() && info.Mode()&os.ModeNamedPipe == 0 {
		return false
	}
	got := make(chan bool, 1)
	go func() {
		n, _ := os.Stdin.Read(make([]byte, 1))
		got <- n > 0
	}()
	select {
	case some := <-got:
		return some
	case <-time.After(time.Second):
		return false
	}
}

// newPassword asks for a password twice, or reads it from standard input if that is not a terminal.
func newPassword(cmd *cobra.Command) (string, error) {
	p := &prompt{ctx: cmd.Context(), in: os.Stdin, out: cmd.ErrOrStderr()}
	if onTerminal(p.in) {
		password, err := p.secretLine("password")
		if err != nil {
			return "", err
		}
		again, err := p.secretLine("the same again")
		if err == nil && again != password {
			err = usageError{errors.New("the two differ"), "nothing was changed; try again"}
		}
		return password, err
	}
	const maxLine = 4096
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", usageError{errors.New("no password on standard input"), "type it on a terminal, or pipe it in: authzd … < FILE"}
	}
	return password, nil
}
