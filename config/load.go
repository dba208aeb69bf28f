package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"text/template"

	"github.com/authzd/authzd/authz/member"
)

// Load reads the file, applies the AUTHZD_ variables of environ (as from os.Environ) and returns
// the effective configuration. An empty path means that there is no file. What is wrong with the
// configuration is returned as Errors, all at once.
func Load(path string, environ []string) (*Config, error) {
	return load(path, environ, nil)
}

// LoadDev is Load for serve --dev: it starts from a demo set-up that keeps its data in dataDir,
// and whatever the file and the environment say wins. Entries of lists are merged by identifier.
// The demo user is there only as long as the issuer is on loopback.
func LoadDev(path, dataDir string, environ []string) (*Config, error) {
	return load(path, environ, &demo{DataDir: dataDir})
}

// LoadDevWithBFF is LoadDev with a client for the playground in cookie mode, which a BFF serves at an address.
func LoadDevWithBFF(path, dataDir, address string, environ []string) (*Config, error) {
	return load(path, environ, &demo{DataDir: dataDir, BFF: "http://" + address})
}

func load(path string, environ []string, d *demo) (*Config, error) {
	var data []byte
	if path != "" {
		var err *Error
		if data, err = read(path, "\"authzd init\" writes a configuration"); err != nil {
			return nil, Errors{err}
		}
	}
	return parseAll(path, data, environ, d)
}

// Parse is Load for a file that is in memory; errors call it by name.
func Parse(name string, data []byte, environ []string) (*Config, error) {
	return parseAll(name, data, environ, nil)
}

// loader gathers a configuration of the server and what is wrong with it.
type loader struct {
	document
	dev bool // for serve --dev: secrets and passwords may be short
	cfg Config
}

func parseAll(name string, data []byte, environ []string, d *demo) (*Config, error) {
	l := &loader{dev: d != nil}
	l.document = newDocument(name, &l.cfg, variables(environ, envPrefix), envPrefix)
	if !l.fillFrom(data) {
		return nil, l.errs
	}
	if d != nil {
		l.addDemo(d)
		l.applyEnv()
	}
	l.file = name
	l.rejectUnknownVars()
	l.complete()
	l.placeCertificates(&l.cfg.Storage.Postgres.URL)
	l.check()
	if len(l.errs) > 0 {
		return nil, l.errs.sorted(l.name)
	}
	l.warn()
	return &l.cfg, nil
}

// read reads a configuration file. hint is for the case that there is none.
func read(path, hint string) ([]byte, *Error) {
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		var data []byte
		data, err = io.ReadAll(io.LimitReader(file, maxFile+1))
		if err == nil {
			return data, nil
		}
	}
	p := unreadable(err)
	if errors.Is(err, fs.ErrNotExist) {
		p.Hint = hint
	}
	return nil, &Error{File: path, Reason: p.Reason, Hint: p.Hint, Err: err}
}

// unreadable says why a file could not be read, without its name, which stands beside it.
func unreadable(err error) *member.Flaw {
	reason := err
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		reason = pathErr.Err
	}
	p := &member.Flaw{Reason: reason.Error(), Hint: "name a file that this process may read", Err: err}
	if pathErr == nil || !errors.Is(err, fs.ErrPermission) {
		return p
	}
	if info, err := os.Stat(pathErr.Path); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			p.Hint = fmt.Sprintf("it is for user %d (mode %04o), and this process is user %d: give it to that user, or run authzd as its owner",
				owner.Uid, info.Mode().Perm(), os.Getuid())
		}
	}
	return p
}

// The demo user and the client of the playground.
const (
	DevUsername = "alice"
	DevPassword = "demo"
	DevClientID = "playground"
)

// demo is what dev.yaml is filled with.
type demo struct {
	Issuer   string
	Listen   string
	DataDir  string // empty: the data is in another database
	BFF      string // the origin of the playground in cookie mode; empty: there is none
	ClientID string
	Username string // empty: no demo user
	Password string
}

//go:embed dev.yaml
var devYAML string

// demoFile is what errors call it. Files of operators are often called dev.yaml.
const demoFile = "the demo of serve --dev"

var devTemplate = template.Must(template.New("dev.yaml").Parse(devYAML))

const devIssuer = "http://localhost:9010"

// addDemo fills what the file and the environment left open. An issuer with another port takes
// the listener along.
func (l *loader) addDemo(d *demo) {
	d.Issuer = devIssuer
	if l.given("issuer") && checkIssuer(l.cfg.Issuer) == nil {
		d.Issuer = l.cfg.Issuer
	}
	d.Listen, d.ClientID = listenFor(d.Issuer), DevClientID
	if onLoopback(d.Issuer) {
		d.Username, d.Password = DevUsername, DevPassword
	}
	if l.cfg.Storage.Postgres.URL != "" {
		d.DataDir = ""
	}
	var b strings.Builder
	if err := devTemplate.Execute(&b, d); err != nil {
		panic(err) // only a mistake in dev.yaml can get here
	}
	secrets := l.holdsSecrets
	l.file = demoFile
	l.decode(l.parse([]byte(b.String())), l.root, field{}, "")
	l.holdsSecrets = secrets // those of the demo are in no file
}
