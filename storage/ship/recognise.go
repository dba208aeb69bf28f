package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// GoneError says that nothing of what this node had shipped to a Destination is there: it is not mounted, or
// was emptied. The node's own epoch, which nobody removes, tells such a Destination from a new one. To ship
// into it would hide the loss, and fill the disk below a mount point.
type GoneError struct{ Destination string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("what was shipped to %s is not there: it is not mounted, or was emptied", e.Destination)
}

// Hint says what the operator can do.
func (e *GoneError) Hint() string {
	return `mount it, or put the objects back: then shipping goes on by itself. If it is lost for good, restart with "authzd serve --ship-anew"`
}

// destinationFile records where this node ships, so that an emptied Destination is not taken for a new one.
const destinationFile = "destination.json"

type knownDestination struct {
	To string `json:"to"`
}

// hasShipped reports whether the node of a folder has shipped to a Destination. An earlier authzd did not
// record it, but has left a spool.
func hasShipped(folder, to string) (bool, error) {
	var known knownDestination
	b, err := os.ReadFile(filepath.Join(folder, destinationFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		spools, err := filepath.Glob(filepath.Join(escapeGlob(folder), spools+"*", progressFile))
		return len(spools) > 0, err
	case err != nil:
		return false, err
	}
	if err := decodeDocument(b, &known); err != nil {
		return false, fmt.Errorf("%s %w", filepath.Join(folder, destinationFile), err)
	}
	return known.To == to, nil
}

// noteShipping records durably, for hasShipped, that the node of a folder ships to a Destination.
func noteShipping(folder, to string) error {
	path, want := filepath.Join(folder, destinationFile), encodeDocument(knownDestination{to})
	if b, err := os.ReadFile(path); err == nil && bytes.Equal(b, want) {
		return nil
	}
	return writeFile(path, want, true)
}

// isAt returns a *GoneError unless the Destination has this epoch, sound or damaged.
func (e *epoch) isAt(ctx context.Context, d Destination) error {
	var there epoch
	_, err := getDocument(ctx, d, epochName(e.Number), &there)
	switch {
	case errors.Is(err, ErrMissing), err == nil && there.Node != e.Node:
		return &GoneError{d.String()}
	case isBroken(err):
		return nil
	}
	return err
}

// errManifestGone ends a generation whose manifest was removed, because nothing could be restored from it.
var errManifestGone = errors.New("the manifest of the generation was removed from its destination")

// recogniseBase is recognise, and also checks that the Destination has the manifest after it was put.
func (s *shipment) recogniseBase(ctx context.Context) error {
	if err := s.recognise(ctx); err != nil || s.Manifest != nil {
		return err
	}
	_, err := s.to.Get(ctx, manifestName(s.Generation))
	if errors.Is(err, ErrMissing) {
		return errManifestGone
	}
	return err
}
