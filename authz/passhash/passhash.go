// Package passhash knows the hashes of passwords: those that can be verified, and those that can only
// be named.
//
//	operator's door -> Scheme  is it meant as a hash, and of what kind?     scheme.go
//	                -> Check   can it be verified, at a bearable cost?
//	sign-in         -> Parse   -> Verify, Outdated                          phc.go
//	new password    -> New
//	what it costs   -> Kind                                 kind.go
//
// A password that looks like a hash must not get through an operator's door: taken as plain text, the
// hash itself, which others may have seen, would sign in. Text that a person types on a page is always a
// password.
package passhash

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-crypt/crypt/algorithm/argon2"
)

// New hashes are argon2id with the parameters that OWASP's password storage cheat sheet names
// first: 19 MiB, two passes, one lane.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltBytes   = 16
	tagBytes    = 32
)

// The limits of a foreign hash. An import must not let a login take the server's
// memory or seconds of its CPU.
const (
	maxMemory     = 256 << 10 // KiB
	maxArgonWork  = 1 << 20   // KiB, passes times memory
	maxArgonTime  = 16
	maxParallel   = 16
	maxScryptWork = 1 << 22 // N*r*p
	maxPBKDF2     = 5_000_000
	maxBcryptCost = 15
	maxHashString = 512 // characters

	// bcrypt reads no more than this many bytes of a password.
	bcryptBytes = 72
)

// The ceilings of what may still be imported: each is about a quarter of a second of a CPU of 2020 or later. A
// failed login takes several times as long for every hash, on a busy machine too, so that none tells that an
// account exists. Hashes that an earlier version has let in are verified, and renewed at the next login.
const (
	dearArgonWork    = 200 << 10 // KiB, passes times memory
	dearScryptWork   = 1 << 20   // N*r*p
	dearPBKDF2SHA256 = 1_200_000
	dearPBKDF2SHA512 = 300_000
	dearBcryptCost   = 12
)

// ErrUnusable is wrapped by all that Parse and Check refuse. No message holds anything of the hash.
var ErrUnusable = errors.New("not a password hash that can be used")

// errUnknown is the ErrUnusable for a kind of hash that Parse does not know.
var errUnknown = fmt.Errorf("%w: the kind is unknown", ErrUnusable)

// Hash is a parsed password hash.
type Hash interface {
	// Verify reports whether a password matches. It takes the time and the memory that the hash was
	// made with.
	Verify(password []byte) bool
	// Outdated reports whether a password that has just been verified should be hashed again.
	Outdated(password []byte) bool
	// Costly reports whether a hash is dearer than what may be imported.
	Costly() bool
}

// hasher makes the hashes of New.
var hasher = must(argon2.New(argon2.WithVariantID(), argon2.WithMemoryInKiB(argonMemory), argon2.WithIterations(argonTime),
	argon2.WithParallelism(argonLanes), argon2.WithSaltLength(saltBytes), argon2.WithKeyLength(tagBytes)))

// New returns the hash of a new password, as a PHC string.
func New(password []byte) string { return hasher.MustHash(string(password)).Encode() }

// Usual is the Kind of the hashes of New.
var Usual = fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", argonMemory, argonTime, argonLanes,
	base64.RawStdEncoding.EncodeToString(make([]byte, saltBytes)), base64.RawStdEncoding.EncodeToString(make([]byte, tagBytes)))

// Unmatchable costs what a hash of New costs. Its match means nothing.
var Unmatchable = must(Parse(Usual))

// must returns a value that depends on constants only.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Check returns why a hash can't be taken over from elsewhere, or nil.
func Check(s string) error {
	h, err := Parse(s)
	switch scheme := Scheme(s); {
	case err == nil && h.Costly():
		return fmt.Errorf("%w: %s with a cost above the ceiling, so that failed logins would tell who has an account", ErrUnusable, scheme)
	case err == nil:
		return nil
	case scheme == "":
		return err
	case errors.Is(err, errUnknown):
		return fmt.Errorf("%w: it looks like %s, and that is none of argon2id, bcrypt, scrypt and pbkdf2 in the PHC or modular crypt format", ErrUnusable, scheme)
	default:
		return fmt.Errorf("%w: it looks like %s: %s", ErrUnusable, scheme, strings.TrimPrefix(err.Error(), ErrUnusable.Error()+": "))
	}
}

// Parse reads a PHC string of argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512, or the modular crypt
// format of bcrypt.
func Parse(s string) (Hash, error) {
	if len(s) > maxHashString {
		return nil, fmt.Errorf("%w: too long", ErrUnusable)
	}
	fields := strings.Split(s, "$")
	if len(fields) < 4 || fields[0] != "" {
		return nil, errUnknown
	}
	switch id, rest := fields[1], fields[2:]; id {
	case "argon2id":
		return parseArgon2id(rest)
	case "2a", "2b", "2y":
		return parseBcrypt(s)
	case "scrypt":
		return parseScrypt(rest)
	case "pbkdf2-sha256":
		return parsePBKDF2(id, rest, sha256.Size, dearPBKDF2SHA256)
	case "pbkdf2-sha512":
		return parsePBKDF2(id, rest, sha512.Size, dearPBKDF2SHA512)
	default:
		return nil, errUnknown
	}
}
