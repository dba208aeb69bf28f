package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"

	"github.com/authzd/authzd/storage/bolt"
)

// progress records how far a generation has been shipped. It is kept beside the spool. Unlike the spool it is
// synced: it must never be behind what the Destination has.
type progress struct {
	Generation uint64        `json:"generation"`
	Epoch      uint64        `json:"epoch"`
	Secret     string        `json:"secret"`             // id of the secret that signs it
	Next       uint64        `json:"next"`               // number of the first segment that the Destination does not have
	Previous   digest        `json:"previous"`           // of the object before it
	Position   bolt.Position `json:"position"`           // of the last group before it
	Sealed     time.Time     `json:"sealed"`             // when the part before it was sealed
	Begun      time.Time     `json:"begun"`              // when the generation's base was taken
	Manifest   []byte        `json:"manifest,omitempty"` // the object, until the Destination has it
}

const progressFile = "progress.json"

func loadProgress(folder string) (p progress, err error) {
	b, err := os.ReadFile(filepath.Join(folder, progressFile))
	if err != nil {
		return p, err
	}
	return p, decodeDocument(b, &p)
}

func (p progress) save(folder string) error {
	return writeFile(filepath.Join(folder, progressFile), encodeDocument(p), true)
}

// shipment is a generation as its writer sees it.
type shipment struct {
	progress
	to         Destination
	store      *bolt.Store
	folder     string // has the spool, and progressFile after the base is shipped
	spool      *spool
	secret     Secret
	recipients []age.Recipient
	recognise  func(ctx context.Context) error // checks that the Destination is the one where it began
	try        func(ctx context.Context, what string, do func(context.Context) error) error
}

// partSize is how many bytes of a base one object has.
const partSize = 8 << 20

// begin taps the store and claims a generation. From here on the spool grows.
func (s *shipment) begin(ctx context.Context, e *epoch, most int64) error {
	if err := s.recognise(ctx); err != nil {
		return err
	}
	numbers, err := listNumbers(ctx, s.to, generationsFolder)
	if err != nil {
		return err
	}
	n := uint64(1)
	if len(numbers) > 0 {
		n = numbers[len(numbers)-1] + 1
	}
	if s.spool, err = newSpool(s.folder, most, s.store); err != nil {
		return err
	}
	after, begun := s.spool.current.after, s.spool.sealedAt
	object := s.secret.signDocument(claimName(n), claim{Generation: n, ID: uuid.NewString(), Secret: s.secret.ID, Epoch: e.Number, Host: e.Host, Begun: begun, After: after})
	if err := s.to.Put(ctx, claimName(n), object); err != nil {
		return err // also ErrExists: the caller tries again with the next number
	}
	s.progress = progress{Generation: n, Epoch: e.Number, Secret: s.secret.ID, Next: 1, Previous: sha256.Sum256(object), Position: after, Sealed: begun}
	return nil
}

// shipBase copies the store into a file, and the file to the Destination. So the store is read only for as
// long as the local disk takes, even if the Destination is slow. It returns the manifest, which the caller
// must put.
func (s *shipment) shipBase(ctx context.Context) (m manifest, err error) {
	path := filepath.Join(s.folder, "base.db")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	defer os.Remove(path)
	m.Generation, m.Claim = s.Generation, s.Previous
	if m.Position, m.Taken, err = s.store.CopyTo(ctx, path); err != nil {
		return m, err
	}
	m.Taken = withinMillisecond(m.Taken)
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	buffer := make([]byte, partSize)
	for {
		n, err := io.ReadFull(f, buffer)
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return m, err
		}
		name := partName(s.Generation, uint64(len(m.Parts)+1))
		if err := s.put(ctx, name, buffer[:n]); err != nil {
			return m, err
		}
		m.Parts = append(m.Parts, part{int64(n), sha256.Sum256(buffer[:n])})
	}
}

// withinMillisecond moves a time off the beginning of its millisecond. The moment of a base has only what the base
// has, and a moment of whole milliseconds has all of its millisecond: the two must never be the same.
func withinMillisecond(t time.Time) time.Time {
	if t.Equal(t.Truncate(time.Millisecond)) {
		return t.Add(time.Nanosecond)
	}
	return t
}

// put stores an object of this generation, encrypted, and tries until that succeeds.
func (s *shipment) put(ctx context.Context, name string, object []byte) error {
	object, err := encrypt(object, s.recipients)
	if err != nil {
		return err
	}
	return s.try(ctx, name, func(ctx context.Context) error { return s.putOnce(ctx, name, object) })
}

// putOnce stores an object beside the earlier ones. It looks for them before, so that nothing is written
// below a mount point, and after, so that an object that was written there does not count as shipped. If the
// object exists already, the answer of an earlier attempt may have been lost. But if its content differs,
// another machine with this node's id writes here.
func (s *shipment) putOnce(ctx context.Context, name string, object []byte) error {
	if err := s.recognise(ctx); err != nil {
		return err
	}
	err := s.to.Put(ctx, name, object)
	if err == nil {
		return s.recognise(ctx)
	}
	if !errors.Is(err, ErrExists) {
		return err
	}
	there, err := s.to.Get(ctx, name)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, object) {
		return &takenError{name}
	}
	return nil
}

// takenError says that an object exists although only this node should have used its name.
type takenError struct{ name string }

func (e *takenError) Error() string {
	return fmt.Sprintf("%s was written by another authzd: two are running with the same spool folder, perhaps a copy", e.name)
}

// shipSegment ships one file of the spool. The object is kept as a file until it is stored, so that a process
// that is killed in between offers the same one again.
func (s *shipment) shipSegment(ctx context.Context, l *log) error {
	object, kept, err := s.object(l)
	if err != nil {
		return err
	}
	name := segmentName(s.Generation, l.number)
	err = s.try(ctx, name, func(ctx context.Context) error { return s.putOnce(ctx, name, object) })
	if taken := new(takenError); errors.As(err, &taken) && l.leftBehind && l.bytes > 0 && !kept {
		return &lostObjectError{name}
	}
	if err != nil {
		return err
	}
	return s.shipped(l, object)
}

// lostObjectError says that a segment was built again from what another process had left, and the Destination
// has a different one. Most likely that process had offered it and lost its file.
type lostObjectError struct{ name string }

func (e *lostObjectError) Error() string {
	return fmt.Sprintf("%s exists, and this machine has no record of it", e.name)
}

// shipped records that the Destination has the segment of a file.
func (s *shipment) shipped(l *log, object []byte) error {
	p := s.progress
	p.Next, p.Previous, p.Position, p.Sealed = l.number+1, sha256.Sum256(object), l.last, l.sealing
	if err := p.save(s.folder); err != nil {
		return err
	}
	s.progress = p
	s.spool.shipped(l)
	_ = os.Remove(s.objectPath(l)) // harmless if it stays
	return nil
}

// objectPath is where the segment of a file, with exactly these groups, is kept.
func (s *shipment) objectPath(l *log) string {
	return filepath.Join(s.folder, fmt.Sprintf("%s-%016x.segment", number(l.number), l.last.Mark))
}

// object builds the segment of a file, or reads the one that was built before; then kept is true. It is on
// the disk before it is offered, so that no other one is offered, even after a power cut.
func (s *shipment) object(l *log) (object []byte, kept bool, err error) {
	b, err := os.ReadFile(s.objectPath(l))
	switch {
	case err == nil:
		object, err = checkKept(b)
		return object, true, err
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, err
	}
	if object, err = s.build(l); err != nil {
		return nil, false, err
	}
	sum := sha256.Sum256(object)
	return object, false, writeFile(s.objectPath(l), append(slices.Clip(object), sum[:]...), true)
}

// checkKept returns the object of a file that ends with its SHA-256.
func checkKept(b []byte) ([]byte, error) {
	end := len(b) - sha256.Size
	if end < 0 || sha256.Sum256(b[:end]) != [sha256.Size]byte(b[end:]) {
		return nil, fmt.Errorf("%w: a segment that was kept %w", errSpoolStale, ErrDamaged)
	}
	return b[:end], nil
}

// build makes the segment of a file.
func (s *shipment) build(l *log) ([]byte, error) {
	groups, err := os.ReadFile(s.spool.path(l.number))
	if err != nil {
		return nil, err
	}
	if int64(len(groups)) != l.bytes {
		return nil, fmt.Errorf("%s has %d bytes, should have %d", s.spool.path(l.number), len(groups), l.bytes)
	}
	return encrypt(s.secret.encodeSegment(segmentHeader{
		Generation: s.Generation, Number: l.number, Previous: s.Previous,
		After: l.after, Last: l.last, From: l.from, Sealed: l.sealing,
	}, groups), s.recipients)
}

// end stops the spool. Its files stay unless they are useless.
func (s *shipment) end(remove bool) error {
	if s.spool == nil {
		return nil
	}
	s.store.Untap(s.spool)
	err := s.spool.close()
	if remove {
		err = errors.Join(err, os.RemoveAll(s.folder))
	}
	return err
}
