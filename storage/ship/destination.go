package ship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Destination is where objects are kept. Names consist of [a-z0-9/]. Every error but ErrExists and ErrMissing
// means that it can't be reached or refuses for now.
type Destination interface {
	// Put stores an object, whole or not at all. It returns ErrExists if there is one of that name.
	Put(ctx context.Context, name string, object []byte) error
	// Get returns an object, or ErrMissing. An object of more than maxObject bytes is an error.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the names of the objects and folders directly in a folder, in order, without the folder's
	// name. A missing folder is empty.
	List(ctx context.Context, folder string) ([]string, error)
	// Delete removes an object. A missing one is no error.
	Delete(ctx context.Context, name string) error
	// String returns the name in the configuration.
	String() string
}

var (
	ErrExists  = errors.New("there is an object of this name")
	ErrMissing = errors.New("there is no object of this name")
)

// maxObject is larger than any object: a segment exceeds segmentSize by at most one group, and a group is
// bounded too.
const maxObject = 1 << 30

// Open returns the Destination that a configuration names: a directory, or s3://bucket/prefix.
func Open(to string, s3 S3) (Destination, error) {
	rest, isBucket := strings.CutPrefix(to, "s3://")
	switch {
	case isBucket:
		return openBucket(rest, s3)
	case to == "" || strings.Contains(to, "://"):
		return nil, fmt.Errorf("destination %q is neither a directory nor s3://bucket/prefix", to)
	}
	return directory(to), nil
}

// Make makes a directory, so that shipping can begin; a bucket must exist. If the directory is missing later,
// every method returns an error, because it may be on a disk that is not mounted.
func Make(d Destination) error {
	if dir, ok := d.(directory); ok {
		return os.MkdirAll(string(dir), 0o700)
	}
	return nil
}
