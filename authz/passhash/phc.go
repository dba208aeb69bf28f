package passhash

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"golang.org/x/crypto/bcrypt"
)

// digest is a hash in the PHC format, which go-crypt verifies. The parameters are read here first: the
// library takes them in any order, fills in what is absent, and accepts any cost.
type digest struct {
	algorithm.Digest
	work, dear uint64 // what it costs, and the ceiling of an import
	current    bool   // made as New makes them
}

// decode has go-crypt read a hash whose parameters are within bounds. Salt and tag may be padded.
func decode(read algorithm.DecodeFunc, params, salt, tag string) (*digest, error) {
	d, err := read("$" + params + "$" + strings.TrimRight(salt, "=") + "$" + strings.TrimRight(tag, "="))
	if err != nil || len(d.Salt()) < 8 || len(d.Salt()) > 64 || len(d.Key()) < 16 || len(d.Key()) > 64 {
		return nil, fmt.Errorf("%w: salt or tag is malformed", ErrUnusable) // err may quote them
	}
	return &digest{Digest: d}, nil
}

func (d *digest) Verify(password []byte) bool { return d.MatchBytes(password) }

func (d *digest) Outdated([]byte) bool { return !d.current }

func (d *digest) Costly() bool { return d.work > d.dear }

// parseArgon2id reads argon2id (RFC 9106): $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$tag.
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
	d, err := decode(argon2.Decode, "argon2id$v=19$"+fields[1], fields[2], fields[3])
	if err != nil {
		return nil, err
	}
	d.work, d.dear = m*t, dearArgonWork
	d.current = m == argonMemory && t == argonTime && p == argonLanes && len(d.Salt()) >= saltBytes && len(d.Key()) >= tagBytes
	return d, nil
}

// parseScrypt reads scrypt (RFC 7914): $scrypt$ln=log2(N),r=block size,p=parallelism$salt$tag.
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
	d, err := decode(scrypt.Decode, "scrypt$"+fields[0], fields[1], fields[2])
	if err != nil {
		return nil, err
	}
	d.work, d.dear = r*p<<ln, dearScryptWork
	return d, nil
}

// parsePBKDF2 reads pbkdf2 (RFC 8018): $pbkdf2-sha256$i=iterations$salt$tag. go-crypt reads it as Python's
// passlib writes it: without "i=", and with "." for "+".
func parsePBKDF2(id string, fields []string, size int, dear uint64) (Hash, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: pbkdf2 needs iterations, salt and tag", ErrUnusable)
	}
	params, _, _ := strings.Cut(fields[0], ",l=") // the length is that of the tag
	digits := strings.TrimPrefix(params, "i=")
	n, err := numbers("i="+digits, "i")
	if err != nil {
		return nil, err
	}
	iterations := n[0]
	if iterations < 1 || iterations > maxPBKDF2 {
		return nil, fmt.Errorf("%w: pbkdf2 iterations out of bounds", ErrUnusable)
	}
	d, err := decode(pbkdf2.Decode, id+"$"+digits, strings.ReplaceAll(fields[1], "+", "."), strings.ReplaceAll(fields[2], "+", "."))
	if err != nil {
		return nil, err
	}
	blocks := (len(d.Key()) + size - 1) / size // each takes all the iterations (RFC 8018 section 5.2)
	d.work, d.dear = iterations*uint64(blocks), dear
	return d, nil
}

// bcryptHash is not left to go-crypt, which refuses passwords of more than 72 bytes and takes $2x$, the
// hashes of an implementation with a fault.
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

func (h *bcryptHash) Costly() bool { return h.cost > dearBcryptCost }

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
