package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

const escapes = "escape special characters of role and password: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25"

// checkDatabaseURL reads the URL as the driver does. Its messages hold no part of it that may be the password.
func checkDatabaseURL(address string) *member.Flaw {
	_, rest, found := strings.Cut(address, "://")
	if !found || !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return problemf("write postgres://role:password@host/database?sslmode=verify-full", "not the URL of a PostgreSQL database")
	}
	if p := checkAuthority(rest); p != nil {
		return p
	}
	if p := checkParameters(address); p != nil {
		return p
	}
	c, err := pgconn.ParseConfig(address)
	if err != nil {
		// The driver's text repeats the URL, without the password that it could find.
		reason, hint := "not a URL that PostgreSQL's programs would take", escapes
		if cause := errors.Unwrap(err); cause != nil {
			reason = cause.Error()
		} else if strings.Contains(err.Error(), "invalid port") {
			reason, hint = "the port is no number from 1 to 65535", "write host:5432, and an IPv6 address in brackets; if a / or : of the password got there, "+escapes
		}
		return &member.Flaw{Reason: reason, Hint: hint}
	}
	if c.Database == "" {
		return problemf("add it: postgres://role:password@host/database", "no database is named")
	}
	return checkEncryption(c)
}

// checkAuthority finds what role and password have left in other parts of the URL.
func checkAuthority(rest string) *member.Flaw {
	authority, path, _ := strings.Cut(rest, "/")
	path, _, _ = strings.Cut(path, "?")
	_, host, hasRole := strings.Cut(authority, "@")
	switch {
	case hasRole && strings.Contains(host, "@"):
		return problemf(escapes, "an @ in the role or the password is not escaped")
	case !hasRole && strings.Contains(path, "@"):
		return problemf(escapes, "a / in the role or the password is not escaped: what follows it is taken for the database")
	case strings.Contains(path, "#"):
		return problemf("write # as %23 if it belongs to the name, or remove it and what follows", "there is a # in the name of the database")
	}
	return nil
}

// checkEncryption refuses a connection that an attacker on the way can turn into plain text. The modes prefer,
// which is the default, and allow try both.
func checkEncryption(c *pgconn.Config) *member.Flaw {
	with, without := false, false
	note := func(host string, t *tls.Config) {
		if !isLocal(host) {
			with, without = with || t != nil, without || t == nil
		}
	}
	note(c.Host, c.TLSConfig)
	for _, f := range c.Fallbacks {
		note(f.Host, f.TLSConfig)
	}
	if with && without {
		return problemf("add sslmode=verify-full to the URL; if nobody else can reach that network, sslmode=disable", "the connection would be encrypted only if the server, or whoever is between, wants it")
	}
	return nil
}

// urlParameters are those that the driver understands. Others go to the server, which knows hundreds.
var urlParameters = []string{
	"host", "port", "user", "password", "dbname", "passfile", "service", "servicefile", "connect_timeout", "application_name",
	"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni", "sslcertmode", "sslnegotiation", "channel_binding", "require_auth",
	"target_session_attrs", "search_path", "statement_timeout", "default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
	"krbspn", "krbsrvname", "min_protocol_version", "max_protocol_version",
}

// otherNames are what other programs call them.
var otherNames = map[string]string{
	"schema": "search_path", "currentschema": "search_path", "searchpath": "search_path", "options.search_path": "search_path",
	"usessl": "sslmode", "tls": "sslmode", "ssl_mode": "sslmode", "sslrootca": "sslrootcert", "sslca": "sslrootcert",
	"prepare_threshold": "default_query_exec_mode", "preparethreshold": "default_query_exec_mode", "pgbouncer": "default_query_exec_mode",
	"timeout": "connect_timeout", "connecttimeout": "connect_timeout", "applicationname": "application_name", "username": "user", "pass": "password",
}

var execModes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// checkParameters finds parameters that nobody knows, and files that can't be read.
func checkParameters(address string) *member.Flaw {
	query := address[strings.LastIndex(address, "?")+1:]
	if query == address {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil // the driver says what is wrong
	}
	for name := range values {
		if !slices.Contains(urlParameters, name) {
			if p := unknownParameter(name); p != nil {
				return p
			}
		}
	}
	if mode := values.Get("default_query_exec_mode"); mode != "" && !slices.Contains(execModes, mode) {
		return problemf("one of "+strings.Join(execModes, ", "), "default_query_exec_mode has no such value")
	}
	if (values.Get("sslcert") == "") != (values.Get("sslkey") == "") {
		return problemf("name both, or neither", "sslcert and sslkey belong together")
	}
	for _, name := range urlFiles {
		file := values.Get(name)
		if file == "" || name == "sslrootcert" && file == "system" {
			continue
		}
		data, p := readable(file)
		if p == nil && name == "sslrootcert" && !x509.NewCertPool().AppendCertsFromPEM(data) {
			p = problemf("name a file with the PEM certificate of the authority", "no certificate in this file")
		}
		if p != nil {
			p.Reason = fmt.Sprintf("%s %q: %s", name, file, p.Reason)
			return p
		}
	}
	return nil
}

// unknownParameter is for a parameter that the driver would pass on to the server: nil if the server may
// know it.
func unknownParameter(name string) *member.Flaw {
	meant := otherNames[strings.ToLower(name)]
	if meant == "" && slices.Contains(urlParameters, strings.ToLower(name)) {
		meant = strings.ToLower(name)
	}
	if meant == "" {
		if near := member.Nearest(name, urlParameters); member.Distance(name, near) <= 2 {
			meant = near
		}
	}
	if meant == "" || name == "ssl" { // the driver understands ssl=true
		return nil
	}
	return problemf("did you mean "+meant+"?", "PostgreSQL knows no parameter %.40q", name)
}

// isLocal reports whether a host is this machine: a loopback address or the folder of a socket.
func isLocal(host string) bool {
	return weburl.IsLoopback(host) || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@")
}
