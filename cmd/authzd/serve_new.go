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

// newFile is a file that a start makes, because it is not there.
type newFile struct{ what, path string }

// missingFiles are those that a start with this configuration may make. A secret in a variable is among them,
// and never becomes a file.
func missingFiles(cfg *config.Config) (files []newFile) {
	if cfg.Storage.Postgres.URL == "" && missing(cfg.Storage.Bolt.Path) {
		files = append(files, newFile{"database", cfg.Storage.Bolt.Path})
	}
	if len(cfg.SecretFile) > 0 && missing(cfg.SecretFile[0]) {
		files = append(files, newFile{"secret", cfg.SecretFile[0]})
	}
	return files
}

// announce says which of the files have been made: where somebody expected the old ones, this is the
// only sign that a server begins with nothing. For a demo, that is no warning. It returns the others.
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
		logger.Log(context.Background(), level, "made a new "+f.what+", since there was none", "path", absolute(f.path))
	}
	return rest
}

// warnOfConfig logs what "authzd config check" warns about.
func warnOfConfig(logger *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
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

// absolute is a path as it is found from any folder.
func absolute(name string) string {
	if path, err := filepath.Abs(name); err == nil {
		return path
	}
	return name
}
