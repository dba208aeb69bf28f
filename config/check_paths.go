package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// place is a path of the configuration, and what it is used for.
type place struct {
	key, path string
	folder    bool // what is made in it is for authzd alone
	written   bool // authzd makes, changes or removes it
	implied   bool // it is no key's own path, but follows from it
	real      string
}

// placeList is the paths of a configuration. Of two that meet, the later one is blamed.
type placeList []place

func (l *placeList) add(p place) {
	if p.path != "" {
		p.real = realPath(p.path)
		*l = append(*l, p)
	}
}

// addFile adds the configuration file itself, if it is a file.
func (l *placeList) addFile(name string) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		l.add(place{path: name})
	}
}

// addSecrets adds the files of the secret.
func (l *placeList) addSecrets(names PathList) {
	for i, name := range names {
		if !strings.HasPrefix(name, envSource) {
			l.add(place{key: element("secret_file", i), path: name, written: true})
		}
	}
}

// addRead adds files that are only read, by their keys.
func (l *placeList) addRead(files map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(files)) {
		l.add(place{key: key, path: files[key]})
	}
}

// addBolt adds a database file, and what lies beside it.
func (l *placeList) addBolt(path string) {
	l.add(place{key: "storage.bolt.path", path: path, written: true})
	l.add(place{key: "storage.bolt.path", path: path + ".ship", folder: true, written: true, implied: true})
}

// addUpkeep adds the folders that copies of a store go to.
func (l *placeList) addUpkeep(s *Storage, b *Backup) {
	l.add(place{key: "backup.dir", path: b.Dir, folder: true, written: true})
	if !strings.Contains(s.Bolt.Ship.To, "://") {
		l.add(place{key: "storage.bolt.ship.to", path: s.Bolt.Ship.To, folder: true, written: true})
	}
}

// places are all paths of the configuration.
func (l *loader) places() []place {
	c := &l.cfg
	var list placeList
	list.addFile(l.name)
	if c.Storage.Postgres.URL == "" {
		list.addBolt(c.Storage.Bolt.Path)
	}
	list.addSecrets(c.SecretFile)
	list.addRead(map[string]string{
		"tls.cert_file": c.TLS.CertFile, "tls.key_file": c.TLS.KeyFile, "mtls.ca_file": c.MTLS.CAFile,
		"outbound.ca_file": c.Outbound.CAFile, "branding.logo_file": c.Branding.LogoFile, "branding.logo_dark_file": c.Branding.LogoDarkFile, "branding.backdrop_file": c.Branding.BackdropFile,
		"branding.templates": c.Branding.Templates,
	})
	list.addRead(l.secretFiles)
	list.addUpkeep(&c.Storage, &c.Backup)
	list.add(place{key: "admin.socket", path: c.Admin.Socket, written: true})
	return list
}

// checkPlaces refuses paths that meet: one would overwrite, remove or give away the other.
func (l *loader) checkPlaces() {
	l.checkMeeting(l.places())
	if socket := l.cfg.Admin.Socket; socket != "" {
		l.report("admin.socket", socket, checkSocket(socket))
	}
}

func (d *document) checkMeeting(places []place) {
	for i, later := range places {
		for _, earlier := range places[:i] {
			if d.faulty(earlier.key) { // it is no path that could meet another
				continue
			}
			d.report(later.key, later.path, earlier.meets(later))
		}
	}
}

// meets says why two places can't both be used, nil if they can.
func (p place) meets(later place) *member.Flaw {
	const hint = "give each a path of its own"
	switch {
	case !p.written && !later.written: // both are only read
		return nil
	case p.real == later.real || sameFile(p.real, later.real):
		return problemf(hint, "the same as %s", p.name())
	case p.folder && inside(later.real, p.real):
		return problemf(hint+", not inside another's", "lies in %s", p.name())
	case later.folder && inside(p.real, later.real):
		return problemf("name a folder that holds nothing else", "%s lies in it", p.name())
	case !p.folder && inside(later.real, p.real):
		return problemf(hint, "lies below %s, which is a file", p.name())
	case !later.folder && inside(p.real, later.real):
		return problemf(hint, "%s lies below it, but this is a file", p.name())
	}
	return nil
}

// name is how messages call a place.
func (p place) name() string {
	switch {
	case p.key == "":
		return "this configuration file"
	case p.implied:
		return p.path + ", the folder of changes that wait to be shipped"
	}
	return p.key
}

func inside(path, folder string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// sameFile reports whether two names lead to one file, such as by a hard link.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// realPath is the absolute path of a file, symbolic links resolved as far as there is something.
func realPath(name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		return filepath.Clean(name)
	}
	return resolve(path, 0)
}

func resolve(path string, links int) string {
	const most = 40 // as the system allows
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	parent = resolve(parent, links)
	path = filepath.Join(parent, filepath.Base(path))
	target, err := os.Readlink(path) // one that leads to nothing yet
	if err != nil || links == most {
		return path
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(parent, target)
	}
	return resolve(target, links+1)
}

// checkSocket refuses a path at which there is something else than a socket, which a start replaces.
func checkSocket(name string) *member.Flaw {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Mode().Type() == fs.ModeSocket:
		return nil
	case errors.Is(err, fs.ErrPermission): // another user's, and the check runs as somebody else
		return nil
	case err != nil:
		return unreadable(err)
	}
	return problemf("name a path where there is nothing; a start makes the socket", "is %s, not a socket", kindOf(info.Mode()))
}

// kindOf names what lies at a path.
func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a folder"
	case fs.ModeSymlink:
		return "a symbolic link"
	}
	return "something else"
}
