package upkeep

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage/archive"
)

// backupStall is how long the caller may take to read a piece of a backup. While a backup is under way, the
// store must keep records that are replaced.
const backupStall = 30 * time.Second

// takeBackup answers with a backup. It records the event first: data that has left cannot be called back.
func (u *Upkeep) takeBackup(ctx context.Context, c *admin.Call, w http.ResponseWriter) error {
	if err := u.Store.Apply(ctx, u.Did(ctx, c, audit.Event{Type: audit.BackupTaken})...); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	// A backup may take longer than any other request.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	b := bufio.NewWriterSize(stalling{w, control}, 64<<10)
	if _, err := u.writeBackup(ctx, b); err != nil {
		return err
	}
	return b.Flush()
}

// stalling sets a deadline of backupStall for each write.
type stalling struct {
	w       io.Writer
	control *http.ResponseController
}

func (s stalling) Write(p []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(backupStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return s.w.Write(p)
}

// scheduledBackup writes a backup that the process makes by itself, and records the event.
func (u *Upkeep) scheduledBackup(ctx context.Context, w io.Writer) (archive.Summary, error) {
	taken := u.Audit.Put(ctx, audit.Event{Type: audit.BackupTaken, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}})
	if err := u.Store.Apply(ctx, taken); err != nil {
		return archive.Summary{}, err
	}
	return u.writeBackup(ctx, w)
}

func (u *Upkeep) writeBackup(ctx context.Context, w io.Writer) (archive.Summary, error) {
	h := archive.Header{Issuer: u.Issuer, Secret: u.Secret.ID()}
	return archive.Write(ctx, w, archive.Checked{Exporter: u.Store}, h, func(digest []byte) []byte {
		return u.Secret.BackupMACs(digest)[0][:]
	})
}

// showBackups exports how the scheduled backups are.
func (u *Upkeep) showBackups() error {
	return u.Observer.ShowBackups(func() (time.Time, int64, uint64) {
		status := u.backups.Status()
		return status.Newest, status.Bytes, status.Failures
	})
}
