package relay

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// folder serves the files of a folder and of those below it.
type folder struct {
	root *os.Root // nothing outside of it can be opened, by no link either

	mu    sync.Mutex
	etags map[string]etag // by name of a file that exists
}

// etag is a hash of a file's content. The time of a file does not do: builds and images give all files the same one.
type etag struct {
	size  int64
	time  time.Time
	value string
}

const index = "index.html"

func openFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, etags: map[string]etag{}}, nil
}

// serve answers with a file. A navigation to a path without a file gets index.html, whose script knows the path.
func (f *folder) serve(w http.ResponseWriter, r *http.Request, urlPath string) error {
	name := strings.Trim(urlPath, "/")
	switch {
	case isHidden(name):
		return noFile()
	case name == "" || strings.HasSuffix(urlPath, "/"):
		name = path.Join(name, index)
	}
	err := f.send(w, r, name)
	if errors.Is(err, fs.ErrNotExist) && isNavigation(r) {
		err = f.send(w, r, index)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid):
		return noFile()
	case err != nil:
		return &refusal{status: http.StatusInternalServerError, code: "server_error", description: "the file can't be read", cause: err}
	}
	return nil
}

func noFile() error { return refuse(http.StatusNotFound, "not_found", "there is no such file") }

// isHidden reports whether a part of the path begins with a dot.
func isHidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}

// send sends a file. What is no file does not exist.
func (f *folder) send(w http.ResponseWriter, r *http.Request, name string) error {
	info, err := f.root.Stat(name)
	if err != nil {
		return outside(err)
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	file, err := f.root.Open(name)
	if err != nil {
		return outside(err)
	}
	defer file.Close()
	tag, err := f.etag(name, file, info)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache") // the browser asks, and gets 304
	h.Set("Etag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", contentType(name))
	if strings.HasPrefix(contentType(name), "text/html") {
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Referrer-Policy", "same-origin")
	}
	http.ServeContent(w, r, name, time.Time{}, file)
	return nil
}

// outside turns the error of a path that leads out of the folder, or through a file, into one that there is none.
func outside(err error) error {
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) && !errors.Is(err, fs.ErrPermission) {
		return fs.ErrNotExist
	}
	return err
}

// webTypes are those that a bare system may not know.
var webTypes = map[string]string{
	".ico": "image/x-icon", ".map": "application/json", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
	".woff": "font/woff", ".woff2": "font/woff2",
}

func contentType(name string) string {
	if t := webTypes[path.Ext(name)]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// etag returns the entity tag of a file, which is read once as long as it does not change.
func (f *folder) etag(name string, file io.ReadSeeker, info fs.FileInfo) (string, error) {
	f.mu.Lock()
	known, ok := f.etags[name]
	f.mu.Unlock()
	if ok && known.size == info.Size() && known.time.Equal(info.ModTime()) {
		return known.value, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	value := `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:18]) + `"`
	f.mu.Lock()
	defer f.mu.Unlock()
	f.etags[name] = etag{info.Size(), info.ModTime(), value}
	return value, nil
}
