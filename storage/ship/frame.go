package ship

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// A frame is one group, in the spool and in segments, all numbers big-endian:
//
//	length   4 bytes   of what follows the checksum
//	crc32c   4 bytes   of the same
//	sequence 8, mark 8, time 8 (Unix milliseconds), changes 4
//	per change: table length 1, table, key length 2, key, row length + 1 or 0 for deleted 4, row
const (
	frameHead = 8
	groupHead = 28
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendFrame(b []byte, g bolt.Group) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHead)...)
	b = binary.BigEndian.AppendUint64(b, g.Position.Sequence)
	b = binary.BigEndian.AppendUint64(b, g.Position.Mark)
	b = binary.BigEndian.AppendUint64(b, uint64(g.Time.UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(g.Changes)))
	for _, c := range g.Changes {
		b = append(append(b, byte(len(c.Table))), c.Table...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(c.Key))), c.Key...)
		if c.Row == nil {
			b = binary.BigEndian.AppendUint32(b, 0)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(c.Row)+1)), c.Row...)
	}
	payload := b[start+frameHead:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// decodeFrame reads the frame at the beginning of b, and returns its length. The group points into b.
func decodeFrame(b []byte) (g bolt.Group, n int, err error) {
	if len(b) < frameHead {
		return g, 0, fmt.Errorf("%w: group is cut", ErrDamaged)
	}
	size := int64(binary.BigEndian.Uint32(b))
	if size > int64(len(b)-frameHead) || size < groupHead {
		return g, 0, fmt.Errorf("%w: group of %d bytes, there are %d", ErrDamaged, size, len(b)-frameHead)
	}
	payload := b[frameHead : frameHead+size]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return g, 0, fmt.Errorf("%w: wrong checksum of a group", ErrDamaged)
	}
	g.Position = bolt.Position{Sequence: binary.BigEndian.Uint64(payload), Mark: binary.BigEndian.Uint64(payload[8:])}
	g.Time = time.UnixMilli(int64(binary.BigEndian.Uint64(payload[16:]))).UTC()
	changes := binary.BigEndian.Uint32(payload[24:])
	r := reader{payload[groupHead:], false}
	for range changes {
		c := bolt.Change{Table: storage.Table(r.next(int(r.number(1)))), Key: r.next(int(r.number(2)))}
		if length := r.number(4); length > 0 {
			c.Row = r.next(int(length - 1))
		}
		if r.short {
			break
		}
		g.Changes = append(g.Changes, c)
	}
	if r.short || len(r.b) > 0 {
		return g, 0, fmt.Errorf("%w: changes of a group", ErrDamaged)
	}
	return g, frameHead + int(size), nil
}

// reader takes bytes off a slice. short is set when there were not enough.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) next(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	head := r.b[:n:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) number(bytes int) (n uint64) {
	for _, b := range r.next(bytes) {
		n = n<<8 | uint64(b)
	}
	return n
}
