package relay

import (
	"crypto/rand"
	"encoding/binary"
)

// Codes of a close frame (RFC 6455 section 7.4). 4000 and above are free for applications.
const (
	closeGoingAway = 1001
	closeEnded     = 4401 // the session has ended, or has other roles
)

// frames follows the frames of a WebSocket in one direction (RFC 6455 section 5.2), so that it is known where one ends:
// there, another may be put in, even between the fragments of a message (section 5.4). It looks at no payload.
type frames struct {
	head [14]byte // of the frame that has begun, as far as it has come
	n    int      // bytes of it
	left uint64   // bytes of the payload that are still to come
	shut bool     // a close frame has begun: nothing may follow it
}

// whole reports whether no frame has begun that has not ended.
func (f *frames) whole() bool { return f.n == 0 && f.left == 0 }

// next returns how many of these bytes belong to the present frame, or to the next one if it is whole.
func (f *frames) next(b []byte) int {
	used := 0
	for f.left == 0 {
		if used == len(b) {
			return used
		}
		f.head[f.n] = b[used]
		f.n++
		used++
		if f.n == f.headSize() {
			f.left, f.n = f.payload(), 0
			f.shut = f.shut || f.head[0]&0x0f == 0x8
			break
		}
	}
	take := min(f.left, uint64(len(b)-used))
	f.left -= take
	return used + int(take)
}

// headSize returns the length of the head, as far as it is known.
func (f *frames) headSize() int {
	size := 2
	if f.n < size {
		return size
	}
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 {
		size += 4 // the mask
	}
	return size
}

func (f *frames) payload() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}

// closeFrame returns a close frame (RFC 6455 section 5.5.1). What a client sends is masked.
func closeFrame(code uint16, reason string, masked bool) []byte {
	payload := append(binary.BigEndian.AppendUint16(nil, code), reason...)
	frame := []byte{0x88, byte(len(payload))}
	if !masked {
		return append(frame, payload...)
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	frame[1] |= 0x80
	return append(append(frame, mask[:]...), payload...)
}
