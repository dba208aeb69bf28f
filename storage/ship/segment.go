package ship

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage/bolt"
)

// A segment, all numbers big-endian:
//
//	magic     17 bytes
//	length     4 bytes   of the header
//	header               JSON, see segmentHeader
//	groups               as in the spool, see frame.go
//	checksum  32 bytes   SHA-256 of all before it
//	code      32 bytes   of the checksum, by the server's secret
const segmentMagic = "authzd segment 2\n"

// digest is a SHA-256.
type digest [sha256.Size]byte

func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("%.80q is not a SHA-256", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// segmentHeader says where a segment belongs.
type segmentHeader struct {
	Generation uint64        `json:"generation"`
	Number     uint64        `json:"number"`   // from 1
	Previous   digest        `json:"previous"` // of the object before, as stored: a segment, or the claim
	After      bolt.Position `json:"after"`    // of the store before the first group
	Last       bolt.Position `json:"last"`     // after the last one; After, if there is none
	From       time.Time     `json:"from"`     // when the segment before was sealed
	// Sealed: everything committed before is in this segment or an earlier one, and no later segment has a
	// group of an earlier millisecond.
	Sealed  time.Time `json:"sealed"`
	EndedBy uint64    `json:"ended_by,omitempty"` // the epoch that took over; there is no next segment
}

// segment is one part of a generation's history.
type segment struct {
	segmentHeader
	groups []bolt.Group
}

// encodeSegment builds an object. groups are frames.
func (s Secret) encodeSegment(h segmentHeader, groups []byte) []byte {
	header, err := json.Marshal(h)
	if err != nil { // plain data; only a mistake in segmentHeader can get here
		panic(err)
	}
	b := make([]byte, 0, len(segmentMagic)+4+len(header)+len(groups)+2*sha256.Size)
	b = append(b, segmentMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(header)))
	b = append(b, header...)
	b = append(b, groups...)
	sum := sha256.Sum256(b)
	code := s.mac(segmentName(h.Generation, h.Number), sum[:])
	return append(append(b, sum[:]...), code[:]...)
}

// decodeSegment reads an object. It checks that a holder of the secret made it, and that its groups continue
// one another from After to Last. More can't be known from the segment alone.
func (s Secret) decodeSegment(b []byte) (*segment, error) {
	if len(b) < len(segmentMagic)+4+2*sha256.Size || string(b[:len(segmentMagic)]) != segmentMagic {
		return nil, fmt.Errorf("%w: not a segment, or only a part of one", ErrDamaged)
	}
	b, code := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	body = body[len(segmentMagic):]
	size := int64(binary.BigEndian.Uint32(body))
	if body = body[4:]; size > int64(len(body)) {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrDamaged, size)
	}
	seg := &segment{}
	if err := json.Unmarshal(body[:size], &seg.segmentHeader); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := s.verify(segmentName(seg.Generation, seg.Number), sum, code); err != nil {
		return nil, err
	}
	return seg, seg.decodeGroups(body[size:])
}

func (s *segment) decodeGroups(frames []byte) error {
	at := s.After
	for len(frames) > 0 {
		g, n, err := decodeFrame(frames)
		if err != nil {
			return err
		}
		if g.Position.Sequence != at.Sequence+1 {
			return fmt.Errorf("%w: group %d after group %d", ErrDamaged, g.Position.Sequence, at.Sequence)
		}
		s.groups, at, frames = append(s.groups, g), g.Position, frames[n:]
	}
	if at != s.Last {
		return fmt.Errorf("%w: ends with group %d, not with %d", ErrDamaged, at.Sequence, s.Last.Sequence)
	}
	return nil
}
