package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/authzd/authzd/config"
)

// newFile is a missing file that a start makes.
type newFile struct{ what, path string }

// missingFiles are the files that a start with this configuration may make. A secret in a variable is among
// them, but never becomes a file.
func missingFiles(store *config.Storage, secrets config.PathList) (files []newFile) {
	if store.Postgres.URL == "" && missing(store.Bolt.Path) {
		files = append(files, newFile{"database", store.Bolt.Path})
	}
	if len(secrets) > 0 && missing(secrets[0]) {
		files = append(files, newFile{"secret", secrets[0]})
	}
	return files
}

// announce logs which of the files were made: if somebody expected the old ones, it is the only sign that the
// server starts with nothing. For a demo it is not a warning. It returns the other files.
func announce(logger *slog.Logger, files []newFile, dev bool) (rest []newFile) {
	level := slog.LevelWarn
	if dev {
		level = slog.LevelInfo
	}
	for _, f := range files {
		if missing(f.path) {
			rest = append(rest, f)
			continue
		}
		logger.Log(context.Background(), level, "made a new "+f.what+", because there was none", "path", absolute(f.path))
	}
	return rest
}

// warnOfConfig logs the warnings of "authzd config check".
func warnOfConfig(logger *slog.Logger, warnings config.Errors) {
	for _, w := range warnings {
		message := w.Reason
		if w.Key != "" {
			message = w.Key + ": " + message
		}
		logger.Warn("configuration: "+message, "at", w.Place(), "value", w.Value, "do", w.Hint)
	}
}

// missing reports whether there is no file of this name.
func missing(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// absolute returns a path that works in any folder.
func absolute(name string) string {
	if path, err := filepath.Abs(name); err == nil {
		return path
	}
	return name
}
