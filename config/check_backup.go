package config

import (
	"os"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/authz/member"
)

func (d *document) checkBackup(b *Backup) {
	const years = 10 * 365 * 24 * time.Hour
	if info, err := os.Stat(b.Dir); b.Dir != "" && err == nil && !info.IsDir() {
		d.report("backup.dir", b.Dir, problemf("name a folder", "is a file"))
	}
	d.checkTime("backup.every", b.Every, time.Minute, years)
	d.checkTime("backup.keep_for", b.KeepFor, 0, 10*years)
	if *b.Keep < 1 {
		d.report("backup.keep", strconv.Itoa(*b.Keep), problemf("the newest is always kept", "must be at least 1"))
	}
	d.checkEach("backup.recipients", b.Recipients, checkRecipient)
}

// checkAudit is for how long the audit log is kept.
func (d *document) checkAudit(a Audit) {
	if a.Keep != 0 {
		d.checkTime("audit.keep", a.Keep, 24*time.Hour, member.Years)
	}
}

// checkRecipient demands one age public key.
func checkRecipient(key string) *member.Flaw {
	if keys, err := age.ParseRecipients(strings.NewReader(key)); err != nil || len(keys) != 1 {
		return problemf("it begins with age1: \"age-keygen\" shows it", "not an age public key")
	}
	return nil
}
