package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDatabaseURLs are those that are taken: of this machine, or of one that says what it wants.
func TestDatabaseURLs(t *testing.T) {
	for _, url := range []string{
		"postgres://localhost/d", "postgresql://u:p@127.0.0.1:5433/d", "postgres:///d?host=/run/postgresql",
		"postgres://u:p@db/d?sslmode=disable", "postgres://u:p@db/d?sslmode=require",
		"postgres://u:p@a:1,b:2/d?sslmode=verify-full&target_session_attrs=read-write",
	} {
		c, err := Parse("f", []byte("issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}"), nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if c.Storage.Bolt.Path != "" || !slices.Equal(c.SecretFile, PathList{"./authzd-data/secret"}) {
			t.Errorf("%s: bolt path %q, secret %q", url, c.Storage.Bolt.Path, c.SecretFile)
		}
	}
}

func TestDatabaseURLIsNotTold(t *testing.T) {
	for _, url := range []string{
		"postgres://u:hunter2%zz@h/d", "postgres://u:hunter2@h:port/d", "postgres://u:hunter2 x@h/d", "hunter2",
		"postgres://u:hunter2@h/d?sslmode=foo", "postgres://u:hunter2@h/d", "postgres://h/d?password=hunter2%zz", "postgres://[::1/hunter2",
	} {
		for _, line := range errorsOf(t, "issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}") {
			if strings.Contains(line, "hunter2") {
				t.Errorf("%s: %s", url, line)
			}
		}
	}
}

// TestDevWithDatabase: the demo brings its own store only where none is named.
func TestDevWithDatabase(t *testing.T) {
	c, err := LoadDev("", t.TempDir(), []string{"AUTHZD_STORAGE_POSTGRES_URL=postgres://localhost/d"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Storage.Bolt.Path != "" || c.Storage.Postgres.URL != "postgres://localhost/d" {
		t.Errorf("storage is %+v", c.Storage)
	}
}

// TestDatabaseURLMistakes: each gets a hint that fits, and none is told with the password.
func TestDatabaseURLMistakes(t *testing.T) {
	cert, key := newCertificate(t)
	t.Chdir(t.TempDir())
	writeFile(t, "ca.pem", cert)
	writeFile(t, "c.pem", cert)
	writeFile(t, "c.key", key)
	writeFile(t, "empty.pem", "")
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string][2]string{ // reason and hint
		"postgres://u:hun@ter2@h/d?sslmode=disable":                                    {"an @ in the role or the password is not escaped", "@ is %40"},
		"postgres://u:hunter2@@h/d?sslmode=disable":                                    {"an @ in the role or the password is not escaped", "@ is %40"},
		"postgres://u:hun/ter2@h/d?sslmode=disable":                                    {"a / in the role or the password", "/ is %2F"},
		"postgres://u:/hunter2@h/d?sslmode=disable":                                    {"a / in the role or the password", "/ is %2F"},
		"postgres://u:hun%ter2@h/d?sslmode=disable":                                    {"percent-encoded", "% is %25"},
		"postgres://u:hunter2%@h/d?sslmode=disable":                                    {"percent-encoded", "% is %25"},
		"postgres://u:hun ter2@h/d?sslmode=disable":                                    {"spaces", "escape"},
		"postgres://u:p@h/d#hunter2":                                                   {"a # in the name of the database", "%23"},
		"postgres://u:hunter2@h:hunter2/d":                                             {"the port is no number", "host:5432"},
		"postgres://u:hunter2@h:99999/d":                                               {"the port is no number", "host:5432"},
		"postgres://u:hunter2@::1/d":                                                   {"the port is no number", "brackets"},
		"postgres://u:hunter2@h?sslmode=disable":                                       {"no database is named", "/database"},
		"postgres://u:hunter2@h/d?sslmode=disable&schema=authzd":                       {`no parameter "schema"`, "search_path"},
		"postgres://u:hunter2@h/d?sslmode=disable&currentSchema=authzd":                {`no parameter "currentSchema"`, "search_path"},
		"postgres://u:hunter2@h/d?sslMode=require":                                     {`no parameter "sslMode"`, "did you mean sslmode?"},
		"postgres://u:hunter2@h/d?sslmode=require&sslrootcrt=ca.pem":                   {`no parameter "sslrootcrt"`, "did you mean sslrootcert?"},
		"postgres://u:hunter2@h/d?sslmode=disable&pgbouncer=true":                      {`no parameter "pgbouncer"`, "default_query_exec_mode"},
		"postgres://u:hunter2@h/d?sslmode=on":                                          {"sslmode is invalid", ""},
		"postgres://u:hunter2@h/d?sslmode=disable&default_query_exec_mode=transaction": {"default_query_exec_mode has no such value", "simple_protocol"},
		"postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=none":                {`sslrootcert "none": no such file`, "may read"},
		"postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=folder":              {`sslrootcert "folder": is a directory`, "may read"},
		"postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=empty.pem":           {`sslrootcert "empty.pem": no certificate`, "PEM"},
		"postgres://u:hunter2@h/d?sslmode=require&sslcert=c.pem":                       {"sslcert and sslkey belong together", "both"},
		"postgres://u:hunter2@h/d?sslmode=require&sslcert=c.pem&sslkey=no":             {`sslkey "no": no such file`, "may read"},
	} {
		_, err := Parse("f", []byte("issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}"), nil)
		errs, _ := err.(Errors)
		if len(errs) != 1 || !strings.Contains(errs[0].Reason, want[0]) || !strings.Contains(errs[0].Hint, want[1]) || errs[0].Hint == "" {
			t.Errorf("%s: %v, want %q", url, err, want)
			continue
		}
		for _, part := range []string{"hunter2", "ter2", "hun"} {
			if strings.Contains(errs[0].Error()+errs[0].Hint, part) {
				t.Errorf("%s: %v, hint %s", url, err, errs[0].Hint)
			}
		}
	}
	for _, url := range []string{ // what only looks like a mistake
		"postgres://u:hun%40ter2@h/d?sslmode=disable", "postgres://u:a:b?c#d@h/d?sslmode=disable", "postgres://u:p@h/d?sslmode=disable&search_path=authzd",
		"postgres://u:p@h/d?sslmode=disable&lock_timeout=3000&idle_in_transaction_session_timeout=1000&TimeZone=UTC&options=-c%20jit%3Doff&client_encoding=UTF8&work_mem=4MB&jit=off&role=x",
		"postgres://u:p@h/d?sslmode=disable&application_name=a@b&default_query_exec_mode=exec", "postgres://u:p@h/d?ssl=true", "postgres://u:p@h/d?sslmode=verify-full&sslrootcert=system",
		"postgres://u:p@h/d?sslmode=verify-full&sslrootcert=ca.pem&sslcert=c.pem&sslkey=c.key", "postgres://u:p@[::1]:5432/d",
	} {
		if _, err := Parse("f", []byte("issuer: https://id.example.com\nstorage: {postgres: {url: \""+url+"\"}}"), nil); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
