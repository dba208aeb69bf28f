package config

import (
	"os"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/authz/member"
)

func (l *loader) checkBackup() {
	const years = 10 * 365 * 24 * time.Hour
	b := l.cfg.Backup
	if info, err := os.Stat(b.Dir); b.Dir != "" && err == nil && !info.IsDir() {
		l.report("backup.dir", b.Dir, problemf("name a folder", "is a file"))
	}
	l.checkTime("backup.every", b.Every, time.Minute, years)
	l.checkTime("backup.keep_for", b.KeepFor, 0, 10*years)
	if *b.Keep < 1 {
		l.report("backup.keep", strconv.Itoa(*b.Keep), problemf("the newest is always kept", "must be at least 1"))
	}
	l.checkEach("backup.recipients", b.Recipients, checkRecipient)
}

// checkRecipient demands one age public key.
func checkRecipient(key string) *member.Flaw {
	if keys, err := age.ParseRecipients(strings.NewReader(key)); err != nil || len(keys) != 1 {
		return problemf("it begins with age1: \"age-keygen\" shows it", "not an age public key")
	}
	return nil
}
