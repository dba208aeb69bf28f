package ship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// spools is the beginning of the names of folders with the spool of one generation.
const spools = "spool-"

// resume goes on with the generation of the last process if possible, and removes what is useless.
func (s *Shipper) resume() error {
	folders, err := filepath.Glob(filepath.Join(escapeGlob(s.Folder), spools+"*"))
	if err != nil {
		return err
	}
	newest, p, err := newestProgress(folders)
	if err == nil && newest != "" {
		err = s.resumeFrom(newest, p)
	}
	if err != nil {
		s.Logger.Warn("shipping starts over with a snapshot of the database", "why", err)
	}
	for _, folder := range folders {
		if s.current != nil && folder == newest {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return nil
}

// newestProgress returns the folder of the newest completed generation, or "" if there is none, and its
// progress. Segments of an earlier generation would be ignored.
func newestProgress(folders []string) (newest string, p progress, err error) {
	for _, folder := range folders {
		switch found, err := loadProgress(folder); {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return "", p, fmt.Errorf("%s: %w", folder, err)
		case newest == "" || found.Generation > p.Generation:
			newest, p = folder, found
		}
	}
	return newest, p, nil
}

// escapeGlob makes a pattern that matches a name and no other.
func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func (s *Shipper) resumeFrom(folder string, p progress) error {
	if p.Secret != s.Secret.ID {
		return errors.New("the secret has changed")
	}
	if s.epoch != nil && p.Epoch != s.epoch.Number {
		return fmt.Errorf("this node ships in epoch %d now, was in %d", s.epoch.Number, p.Epoch)
	}
	position, err := s.Store.Position()
	if err != nil {
		return err
	}
	sh := s.newShipment(folder)
	sh.progress = p
	if sh.spool, err = resume(folder, s.SpoolBytes, p.Next, p.Position, position, p.Sealed); err != nil {
		return err
	}
	at, err := s.Store.Tap(sh.spool)
	if err == nil && at != position {
		err = fmt.Errorf("%w: the store was written to before it was shipped", errSpoolStale)
	}
	if err != nil {
		return errors.Join(err, sh.end(false))
	}
	s.serveFrom(sh)
	return nil
}
