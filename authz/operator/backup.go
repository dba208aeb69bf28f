package operator

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
func (api *API) takeBackup(ctx context.Context, c *admin.Call, w http.ResponseWriter) error {
	if err := api.Store.Apply(ctx, api.did(ctx, c, audit.Event{Type: audit.BackupTaken})...); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	// A backup may take longer than any other request.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	b := bufio.NewWriterSize(stalling{w, control}, 64<<10)
	if _, err := api.writeBackup(ctx, b); err != nil {
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

// ScheduledBackup writes a backup that the server makes by itself, and records the event.
func (api *API) ScheduledBackup(ctx context.Context, w io.Writer) (archive.Summary, error) {
	if err := api.Store.Apply(ctx, api.Events.BackupTaken(ctx)...); err != nil {
		return archive.Summary{}, err
	}
	return api.writeBackup(ctx, w)
}

func (api *API) writeBackup(ctx context.Context, w io.Writer) (archive.Summary, error) {
	h := archive.Header{Issuer: api.Issuer.ID, Secret: api.Secret.ID()}
	return archive.Write(ctx, w, archive.Checked{Exporter: api.Store}, h, func(digest []byte) []byte {
		return api.Secret.BackupMACs(digest)[0][:]
	})
}
