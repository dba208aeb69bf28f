package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// folderOf is the folder that the names of files in a configuration are relative to. A pipe or /dev/stdin
// lies in no folder that means anything: the working directory stands in for it.
func folderOf(name string) string {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() || strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/proc/") {
		return "."
	}
	return filepath.Dir(name)
}

// inFolder is a path of the file, as this process has to open it. A value that is no path of the file system,
// such as s3://bucket or env:NAME, stays as it is.
func (d *document) inFolder(name string) string {
	if d.folder == "" || d.folder == "." || name == "" || filepath.IsAbs(name) ||
		strings.Contains(name, "://") || strings.HasPrefix(name, envSource) {
		return name
	}
	return filepath.Join(d.folder, name)
}

// envSource begins the name of a variable in place of that of a file.
const envSource = "env:"

// urlFiles are the parameters of a database's URL that name files.
var urlFiles = []string{"sslrootcert", "sslcert", "sslkey", "passfile", "servicefile"}

// placeCertificates makes the files that the URL of the database names relative to the configuration,
// if that is where the URL, or the name of the file with it, comes from.
func (d *document) placeCertificates(database *member.Secret) {
	const key = "storage.postgres.url"
	address := string(*database)
	start := strings.LastIndex(address, "?") + 1
	if start == 0 || d.originOf(key).variable != "" {
		return
	}
	values, err := url.ParseQuery(address[start:])
	if err != nil {
		return // checkDatabaseURL says what is wrong
	}
	changed := false
	for _, name := range urlFiles {
		file := values.Get(name)
		if file == "" || name == "sslrootcert" && file == "system" { // the system's authorities
			continue
		}
		if placed := d.inFolder(file); placed != file {
			values.Set(name, placed)
			changed = true
		}
	}
	if changed {
		*database = member.Secret(address[:start] + values.Encode())
	}
}
