package passhash

import (
	"crypto/pbkdf2"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// argon2id (RFC 9106): $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$tag.
type argon2idHash struct {
	memory, time uint32
	lanes        uint8
	salt, tag    []byte
}

func parseArgon2id(fields []string) (Hash, error) {
	if len(fields) != 4 || fields[0] != "v=19" {
		return nil, fmt.Errorf("%w: argon2id needs version 19, parameters, salt and tag", ErrUnusable)
	}
	n, err := numbers(fields[1], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	m, t, p := n[0], n[1], n[2]
	if m < 8*p || m > maxMemory || t < 1 || t > maxArgonTime || p < 1 || p > maxParallel || m*t > maxArgonWork {
		return nil, fmt.Errorf("%w: argon2id parameters out of bounds", ErrUnusable)
	}
	salt, tag, err := saltAndTag(fields[2], fields[3])
	return &argon2idHash{uint32(m), uint32(t), uint8(p), salt, tag}, err
}

func (h *argon2idHash) Verify(password []byte) bool {
	tag := argon2.IDKey(password, h.salt, h.time, h.memory, h.lanes, uint32(len(h.tag)))
	return subtle.ConstantTimeCompare(tag, h.tag) == 1
}

func (h *argon2idHash) Outdated([]byte) bool {
	return h.memory != argonMemory || h.time != argonTime || h.lanes != argonLanes ||
		len(h.salt) < saltBytes || len(h.tag) < tagBytes
}

func (h *argon2idHash) costly() bool { return uint64(h.time)*uint64(h.memory) > dearArgonWork }

func (h *argon2idHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.tag))
}

type bcryptHash struct {
	encoded []byte
	cost    int
}

func parseBcrypt(s string) (Hash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil || len(s) != 60 || strings.IndexByte(s[7:], '$') >= 0 {
		return nil, fmt.Errorf("%w: malformed bcrypt", ErrUnusable)
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("%w: bcrypt cost above %d", ErrUnusable, maxBcryptCost)
	}
	return &bcryptHash{[]byte(s), cost}, nil
}

// Verify compares the first 72 bytes, as bcrypt always did where the hash comes from.
func (h *bcryptHash) Verify(password []byte) bool {
	return bcrypt.CompareHashAndPassword(h.encoded, password[:min(len(password), bcryptBytes)]) == nil
}

// Outdated spares longer passwords: their end was not verified, and hashing a mistyped one would
// lock its owner out.
func (h *bcryptHash) Outdated(password []byte) bool { return len(password) <= bcryptBytes }

func (h *bcryptHash) costly() bool { return h.cost > dearBcryptCost }

// scrypt (RFC 7914): $scrypt$ln=log2(N),r=block size,p=parallel$salt$tag.
type scryptHash struct {
	n, r, p   int
	salt, tag []byte
}

func parseScrypt(fields []string) (Hash, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: scrypt needs parameters, salt and tag", ErrUnusable)
	}
	v, err := numbers(fields[0], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	ln, r, p := v[0], v[1], v[2]
	if ln < 1 || ln > 20 || r < 1 || r > 64 || p < 1 || p > maxParallel ||
		128*r<<ln > maxMemory<<10 || r*p<<ln > maxScryptWork {
		return nil, fmt.Errorf("%w: scrypt parameters out of bounds", ErrUnusable)
	}
	salt, tag, err := saltAndTag(fields[1], fields[2])
	return &scryptHash{1 << ln, int(r), int(p), salt, tag}, err
}

func (h *scryptHash) Verify(password []byte) bool {
	tag, err := scrypt.Key(password, h.salt, h.n, h.r, h.p, len(h.tag))
	return err == nil && subtle.ConstantTimeCompare(tag, h.tag) == 1
}

func (h *scryptHash) Outdated([]byte) bool { return true }

func (h *scryptHash) costly() bool { return h.n*h.r*h.p > dearScryptWork }

// pbkdf2 (RFC 8018): $pbkdf2-sha256$i=iterations$salt$tag. Python's passlib leaves "i=" out and
// writes "." for "+".
type pbkdf2Hash struct {
	hash       func() hash.Hash
	dear       int // iterations that are the ceiling of an import
	iterations int
	salt, tag  []byte
}

func parsePBKDF2(fields []string, h func() hash.Hash, dear int) (Hash, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: pbkdf2 needs iterations, salt and tag", ErrUnusable)
	}
	params, _, _ := strings.Cut(fields[0], ",l=") // the length is that of the tag
	n, err := numbers("i="+strings.TrimPrefix(params, "i="), "i")
	if err != nil {
		return nil, err
	}
	if n[0] < 1 || n[0] > maxPBKDF2 {
		return nil, fmt.Errorf("%w: pbkdf2 iterations out of bounds", ErrUnusable)
	}
	salt, tag, err := saltAndTag(strings.ReplaceAll(fields[1], ".", "+"), strings.ReplaceAll(fields[2], ".", "+"))
	return &pbkdf2Hash{h, dear, int(n[0]), salt, tag}, err
}

func (h *pbkdf2Hash) Verify(password []byte) bool {
	tag, err := pbkdf2.Key(h.hash, string(password), h.salt, h.iterations, len(h.tag))
	return err == nil && subtle.ConstantTimeCompare(tag, h.tag) == 1
}

func (h *pbkdf2Hash) Outdated([]byte) bool { return true }

// costly counts every block of output: each takes all the iterations (RFC 8018 section 5.2).
func (h *pbkdf2Hash) costly() bool {
	size := h.hash().Size()
	return h.iterations*((len(h.tag)+size-1)/size) > h.dear
}

// numbers reads "a=1,b=2", which must have exactly these names in this order.
func numbers(s string, names ...string) ([]uint64, error) {
	fields := strings.Split(s, ",")
	if len(fields) != len(names) {
		return nil, fmt.Errorf("%w: parameters must be %s", ErrUnusable, strings.Join(names, ", "))
	}
	values := make([]uint64, len(names))
	for i, field := range fields {
		digits, ok := strings.CutPrefix(field, names[i]+"=")
		v, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: parameter %s is not a number", ErrUnusable, names[i])
		}
		values[i] = v
	}
	return values, nil
}

// saltAndTag decodes the last two fields, padded or not.
func saltAndTag(salt, tag string) (s, t []byte, err error) {
	if s, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(salt, "=")); err == nil {
		t, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(tag, "="))
	}
	if err != nil || len(s) < 8 || len(s) > 64 || len(t) < 16 || len(t) > 64 {
		return nil, nil, fmt.Errorf("%w: salt or tag is malformed", ErrUnusable)
	}
	return s, t, nil
}
