package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// nodeFile holds the id by which a primary recognises itself in an epoch. It belongs to the folder of the
// spool, and so to this copy of the database.
const nodeFile = "node.json"

type node struct {
	ID string `json:"id"`
}

// loadNode returns the node's id. If there is none, it makes one durably.
func loadNode(folder string) (id string, err error) {
	var n node
	b, err := os.ReadFile(filepath.Join(folder, nodeFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.ID = uuid.NewString()
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
		return n.ID, writeFile(filepath.Join(folder, nodeFile), encodeDocument(n), true)
	case err != nil:
		return "", err
	}
	if err := decodeDocument(b, &n); err != nil || n.ID == "" {
		return "", fmt.Errorf("%s %w", filepath.Join(folder, nodeFile), errors.Join(ErrDamaged, err))
	}
	return n.ID, nil
}

// writeFile replaces a file as a whole; synced: durably.
func writeFile(path string, content []byte, synced bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), partial+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil && synced {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil || !synced {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// FencedError says that another authzd has the right to ship to a destination. Serving from this database
// would fork its history.
type FencedError struct {
	Destination string
	Host        string    // of the other
	Since       time.Time // when it took over
}

// TakenOverBy returns the host that serves now.
func (e *FencedError) TakenOverBy() string { return e.Host }

func (e *FencedError) Error() string {
	return fmt.Sprintf("the authzd on %s is the primary of %s since %s", e.Host, e.Destination, e.Since.UTC().Format(time.RFC3339))
}

// admit finds out whether a node may ship, and returns its epoch. If no node has had the right, it takes it.
// The error is a *FencedError if another node has it, and a *GoneError if the node expects an epoch and there
// is none.
func admit(ctx context.Context, d Destination, id, host string, expects bool) (*epoch, error) {
	e, err := newestEpoch(ctx, d)
	switch {
	case err != nil:
		return nil, err
	case e == nil && expects:
		return nil, &GoneError{d.String()}
	case e == nil:
		return takeOver(ctx, d, id, host, 1)
	case e.Node != id:
		return nil, &FencedError{d.String(), e.Host, e.Since}
	}
	return e, nil
}

// takeOver makes a node the primary of the next epoch, unless another was faster.
func takeOver(ctx context.Context, d Destination, id, host string, number uint64) (*epoch, error) {
	e := &epoch{Number: number, Node: id, Host: host, Since: time.Now().UTC().Truncate(time.Second)}
	err := d.Put(ctx, epochName(number), encodeDocument(e))
	if !errors.Is(err, ErrExists) {
		return e, err
	}
	if e, err = newestEpoch(ctx, d); err != nil {
		return nil, err
	}
	if e.Node == id && e.Number == number { // the answer of an earlier attempt was lost
		return e, nil
	}
	return nil, &FencedError{d.String(), e.Host, e.Since}
}

// superseded returns a *FencedError if there is a later epoch. If this epoch is missing, it returns a
// *GoneError: the objects there belong to others.
func (e *epoch) superseded(ctx context.Context, d Destination) error {
	var next epoch
	switch _, err := getDocument(ctx, d, epochName(e.Number+1), &next); {
	case errors.Is(err, ErrMissing):
		return nil
	case err != nil:
		return err
	}
	if err := e.isAt(ctx, d); err != nil {
		return err
	}
	return &FencedError{d.String(), next.Host, next.Since}
}

// hostname is for people, who read it in the epoch.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "an unknown host"
	}
	return name
}

// Forget removes what a folder records of a database that is being replaced, but keeps the node's id.
func Forget(folder string) error {
	spools, err := filepath.Glob(filepath.Join(escapeGlob(folder), spools+"*"))
	for _, name := range append(spools, filepath.Join(folder, followFile)) {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}
