package ship

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authzd/authzd/storage/bolt"
)

// segmentSize is the size at which the next segment begins, even if the present one is young.
const segmentSize = 1 << 20

var (
	errSpoolFull  = errors.New("the spool is full")
	errSpoolStale = errors.New("the spool does not end where the database does")
)

// spool is the part of a generation that the Destination does not have yet: one file of frames for each
// segment, in a folder beside the database. It is the bolt.Tap, so a group is in the spool before it is
// committed. The files are never synced, because resume notices a power cut.
type spool struct {
	folder string
	most   int64         // bytes
	work   chan struct{} // signals that a file may be sealed, or the spool is broken

	mu       sync.Mutex
	broken   error // why nothing is added any more
	file     *os.File
	current  *log
	sealed   []*log        // oldest first
	last     bolt.Position // of the newest group that was committed
	sealedAt time.Time     // when the newest of sealed was sealed
	wanted   bool          // current should be sealed
	bytes    int64         // of all files
	buffer   []byte

	pending  bolt.Group // prepared
	prepared int64      // its bytes; 0: none is
}

// log is one file of the spool.
type log struct {
	number        uint64
	after, last   bolt.Position
	bytes         int64
	oldest        time.Time // when its first group began; zero: there is none
	from, sealing time.Time // see segmentHeader.From and Sealed
	leftBehind    bool      // by an earlier process
}

const logSuffix = ".groups"

func logName(n uint64) string { return number(n) + logSuffix }

func (s *spool) path(n uint64) string { return filepath.Join(s.folder, logName(n)) }

// newSpool makes an empty spool tap the store: later commits are in it.
func newSpool(folder string, most int64, store *bolt.Store) (*spool, error) {
	s := &spool{folder: folder, most: most, work: make(chan struct{}, 1), sealedAt: time.Now().UTC()}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	s.mu.Lock() // the first group waits until its predecessor is known
	defer s.mu.Unlock()
	var err error
	if s.last, err = store.Tap(s); err != nil {
		return nil, err
	}
	if err := s.open(1); err != nil {
		s.broken = err
	}
	return s, s.broken
}

// open begins the next file.
func (s *spool) open(n uint64) (err error) {
	s.file, err = os.OpenFile(s.path(n), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.current = &log{number: n, after: s.last, last: s.last, from: s.sealedAt}
	return nil
}

// Prepare implements bolt.Tap.
func (s *spool) Prepare(g bolt.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return
	}
	if cap(s.buffer) > 2*segmentSize {
		s.buffer = nil
	}
	if earliest := s.sealedAt.Truncate(time.Millisecond); g.Time.Before(earliest) {
		g.Time = earliest // it had begun when the last segment was sealed, or the clock was set back
	}
	s.buffer = appendFrame(s.buffer[:0], g)
	if s.bytes+int64(len(s.buffer)) > s.most {
		s.breakWith(errSpoolFull)
		return
	}
	if _, err := s.file.WriteAt(s.buffer, s.current.bytes); err != nil {
		s.breakWith(err)
		return
	}
	s.pending, s.prepared = g, int64(len(s.buffer))
}

// Done implements bolt.Tap.
func (s *spool) Done(committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || s.prepared == 0 {
		return
	}
	n, g := s.prepared, s.pending
	s.prepared, s.pending = 0, bolt.Group{}
	if !committed {
		if err := s.file.Truncate(s.current.bytes); err != nil {
			s.breakWith(err)
		}
		return
	}
	if s.current.oldest.IsZero() {
		s.current.oldest = g.Time
	}
	s.current.bytes, s.bytes = s.current.bytes+n, s.bytes+n
	s.current.last, s.last = g.Position, g.Position
	if s.wanted || s.current.bytes >= segmentSize {
		s.seal()
	}
}

// seal ends the present file. The next group goes into another.
func (s *spool) seal() {
	s.wanted = false
	s.current.sealing = maxTime(time.Now().UTC(), s.sealedAt)
	s.sealed, s.sealedAt = append(s.sealed, s.current), s.current.sealing
	err := s.file.Close()
	if err == nil {
		err = s.open(s.current.number + 1)
	}
	if err != nil {
		s.breakWith(err)
	}
	s.wake()
}

func (s *spool) breakWith(err error) {
	s.broken = err
	s.wake()
}

func (s *spool) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// want seals the present file, unless older files still wait to be shipped; then it can wait with them.
// evenEmpty also seals a file without groups, which tells the Destination that there were none.
func (s *spool) want(evenEmpty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil || len(s.sealed) > 0 || s.current.bytes == 0 && s.prepared == 0 && !evenEmpty:
	case s.prepared > 0:
		s.wanted = true
	default:
		s.seal()
	}
}

// next returns the oldest sealed file, or nil if there is none, or the reason why there will be no more.
func (s *spool) next() (*log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sealed) > 0 {
		return s.sealed[0], nil
	}
	return nil, s.broken
}

// shipped removes the oldest sealed file.
func (s *spool) shipped(l *log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = slices.DeleteFunc(s.sealed, func(other *log) bool { return other == l })
	s.bytes -= l.bytes
	_ = os.Remove(s.path(l.number)) // resume removes leftovers
}

// lag returns how many bytes are not shipped, and the age of the oldest group among them.
func (s *spool) lag(now time.Time) (bytes int64, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range append(slices.Clone(s.sealed), s.current) {
		if l != nil && !l.oldest.IsZero() {
			return s.bytes, max(now.Sub(l.oldest), 0)
		}
	}
	return s.bytes, 0
}

// close ends the spool and leaves its files for resume.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fs.ErrClosed
	}
	err := s.file.Close()
	if errors.Is(err, fs.ErrClosed) { // after a seal that failed
		return nil
	}
	return err
}

// failed returns why nothing is added any more, or nil if groups are.
func (s *spool) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// resume opens the spool that an earlier process has left. The spool must continue what was shipped, be
// whole, and reach the state of the store; groups beyond that were not committed and are cut off. Otherwise
// the error is errSpoolStale, or damage: the files are not synced, so a power cut may have left anything.
func resume(folder string, most int64, next uint64, shipped, store bolt.Position, from time.Time) (*spool, error) {
	logs, err := listLogs(folder, next)
	if err != nil {
		return nil, err
	}
	s := &spool{folder: folder, most: most, work: make(chan struct{}, 1), last: shipped, sealedAt: from}
	for i, n := range logs {
		if n != next+uint64(i) {
			return nil, fmt.Errorf("%w: file %d is missing", errSpoolStale, next+uint64(i))
		}
		l, err := s.read(n, store)
		if err != nil {
			return nil, err
		}
		s.bytes += l.bytes
		s.sealed = append(s.sealed, l)
		s.last, s.sealedAt = l.last, l.sealing
	}
	if s.last != store {
		return nil, fmt.Errorf("%w: group %d of %d", errSpoolStale, s.last.Sequence, store.Sequence)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.open(next + uint64(len(logs)))
}

// listLogs returns the numbers of a spool's files from next on, and removes earlier ones, which were shipped.
func listLogs(folder string, next uint64) (numbers []uint64, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), logSuffix)
		var n uint64
		if _, scanErr := fmt.Sscanf(name, "%d", &n); !ok || scanErr != nil || number(n) != name {
			continue
		}
		if n < next {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		numbers = append(numbers, n)
	}
	return numbers, err
}

// read reads one file that was left, and cuts off groups that the store does not have.
func (s *spool) read(n uint64, store bolt.Position) (*log, error) {
	content, err := os.ReadFile(s.path(n))
	if err != nil {
		return nil, err
	}
	l := &log{number: n, after: s.last, last: s.last, from: s.sealedAt, sealing: time.Now().UTC(), leftBehind: true}
	for rest := content; len(rest) > 0; {
		g, size, err := decodeFrame(rest)
		if l.last == store { // a group that was under way, complete or not
			return l, os.Truncate(s.path(n), l.bytes)
		}
		if err != nil {
			return nil, err
		}
		if g.Position.Sequence != l.last.Sequence+1 {
			return nil, fmt.Errorf("%w: group %d after group %d", ErrDamaged, g.Position.Sequence, l.last.Sequence)
		}
		if l.oldest.IsZero() {
			l.oldest = g.Time
		}
		l.last, rest = g.Position, rest[size:]
		l.bytes += int64(size)
	}
	return l, nil
}
