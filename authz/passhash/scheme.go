package passhash

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Scheme returns what kind of hash a string looks like, in words for the operator, or "" for a password.
// A string counts as a hash if its beginning or its form is one that no person would choose by chance.
// Nothing that Parse accepts is a password.
func Scheme(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "$$") { // doubled, as compose files want it
		s = strings.ReplaceAll(s, "$$", "$")
	}
	for _, scheme := range schemes {
		if m := scheme.form.FindStringSubmatch(s); m != nil && (scheme.and == nil || scheme.and(s)) {
			if len(m) > 1 && m[1] != "" {
				return fmt.Sprintf(scheme.name, strings.ToLower(m[1]))
			}
			return strings.TrimSuffix(scheme.name, " %s")
		}
	}
	return ""
}

// scheme is one form of hash. The first group of the form, if any, completes the name.
type scheme struct {
	name string
	form *regexp.Regexp
	and  func(s string) bool // nil: the form says it all
}

// schemes are tried in this order.
var schemes = []scheme{
	// PHC strings and the modular crypt format. The names that are in use are hashes in any case;
	// others must have the form of one.
	{"an %s hash", regexp.MustCompile(`^\$(argon2[a-z]*)(?:[$,=]|$)`), nil},
	{"a %s hash", regexp.MustCompile(`^\$(scrypt|bcrypt(?:-sha256)?|pbkdf2(?:[-_][a-z0-9-]+)?)(?:[$,=]|$)`), nil},
	{"a bcrypt hash of kind $2x$, which has a known fault", regexp.MustCompile(`^\$2x\$`), nil},
	{"a bcrypt hash", regexp.MustCompile(`^\$2[a-z]?\$`), nil},
	{"an MD5 hash of crypt(3)", regexp.MustCompile(`^\$1\$|^\$md5[$,]`), nil},
	{"an apr1 (Apache MD5) hash", regexp.MustCompile(`^\$apr1\$`), nil},
	{"a SHA-256 hash of crypt(3)", regexp.MustCompile(`^\$5\$`), nil},
	{"a SHA-512 hash of crypt(3)", regexp.MustCompile(`^\$6\$`), nil},
	{"a yescrypt hash", regexp.MustCompile(`^\$(?:y|gy)\$`), nil},
	{"a scrypt hash of crypt(3)", regexp.MustCompile(`^\$7\$`), nil},
	{"an NT hash of crypt(3)", regexp.MustCompile(`^\$3\$|(?i:^\$nt\$)`), nil},
	{"a phpass hash", regexp.MustCompile(`^\$[PH]\$`), nil},
	{"a WordPress hash", regexp.MustCompile(`^\$wp\$`), nil},
	{"a Drupal hash", regexp.MustCompile(`^U?\$S\$|^U\$[PH]\$`), nil},
	{"a Firebase (scrypt) hash", regexp.MustCompile(`^\$(?:firescrypt|fbscrypt)\$`), nil},
	{"a %s hash", regexp.MustCompile(`^\$((?:hmac-)?(?:md4|md5|sha1|sha224|sha256|sha384|sha512|sha3|sm3)(?:-crypt)?|scram|cisco[a-z0-9]*|ml|blake[a-z0-9-]*)\$`), nil},
	{"a hash of the unknown kind %s", regexp.MustCompile(`^\$([A-Za-z0-9][A-Za-z0-9._-]{0,31})\$[^$]*\$.`), nil},
	{"a hash of the unknown kind %s", regexp.MustCompile(`^\$([A-Za-z0-9][A-Za-z0-9._-]{0,31})\$[A-Za-z0-9+/.=,:-]{16,}$`), nil},

	// LDAP's and Spring's schemes in braces.
	{"an LDAP or Spring value {%s}", regexp.MustCompile(`^\{((?i:s?sha(?:[-0-9a-z]*)|s?md[45]|pbkdf2[-0-9a-z_@]*|argon2[-0-9a-z_@]*|b?crypt|scrypt[-0-9a-z_@]*|sasl|cleartext|clear|plain|noop|ldap|nt(?:lm|hash)?|lanman|kerberos|scram-[-0-9a-z]+|gost[-0-9a-z]*|ns-mta-md5|unix|kinit|blf-crypt|(?:cram|digest|lanman|hmac)-md5|rpa|otp|skey|pkcs5s2|fshp[^}]*|x-[^}]+)(?i:-crypt)?(?i:\.(?:hex|b64|base64))?)\}`), nil},
	{"a hash of the unknown kind {%s}", regexp.MustCompile(`^\{([A-Za-z][A-Za-z0-9._-]{0,31})\}[A-Za-z0-9+/.=,:$-]{16,}$`), nil},
	{"a credential in JSON", regexp.MustCompile(`^\{\s*"`), nil},

	// Django and Werkzeug.
	{"a Django hash (%s)", regexp.MustCompile(`^(pbkdf2_[a-z0-9]+|argon2|bcrypt(?:_sha256)?|scrypt|md5|sha1|sha256|sha512|crypt|unsalted_(?:md5|sha1)|hex_digest)\$`), nil},
	{"a Werkzeug hash (%s)", regexp.MustCompile(`^((?:pbkdf2|scrypt|sha1|sha224|sha256|sha384|sha512|md5)(?::[A-Za-z0-9_-]+)+|sha224|sha384)\$`), nil},
	{"a Django account without a password", regexp.MustCompile(`^![A-Za-z0-9]{40}$`), nil},
	{"a locked entry of /etc/shadow", regexp.MustCompile(`^[!*]+$|^!!?\$|^\*(?:LK|NP)\*`), nil},

	// Databases and other systems.
	{"a PostgreSQL SCRAM verifier", regexp.MustCompile(`^SCRAM-SHA-[0-9]+\$`), nil},
	{"a PostgreSQL MD5 hash", regexp.MustCompile(`^md5[0-9a-f]{32}$`), nil},
	{"a MySQL hash", regexp.MustCompile(`^\*[0-9A-Fa-f]{40}$`), nil},
	{"a SQL Server hash", regexp.MustCompile(`^0x0[12]00[0-9A-Fa-f]{40,}$`), nil},
	{"a GRUB hash", regexp.MustCompile(`^grub\.pbkdf2\.`), nil},
	{"an Oracle hash", regexp.MustCompile(`^[ST]:[0-9A-F]{40,}`), nil},
	{"a MediaWiki hash", regexp.MustCompile(`^:(?:[AB]|pbkdf2|argon2|bcrypt):`), nil},
	{"a hash of Ruby's scrypt", regexp.MustCompile(`^[0-9a-f]+\$[0-9a-f]+\$[0-9a-f]+\$[0-9a-f]{16,}\$[0-9a-f]{16,}$`), nil},
	{"a scrypt file header", regexp.MustCompile(`^c2NyeXB0[A-Za-z0-9+/=]{40,}$`), nil},
	{"an ASP.NET Identity hash", regexp.MustCompile(`^A[A-Za-z0-9+/]{40,}={0,2}$`), aspNET},

	// Digests in hex, alone or with a salt.
	{"an MD5, MD4 or NT hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{32}$`), nil},
	{"a SHA-1 hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{40}$`), nil},
	{"a SHA-224 hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{56}$`), nil},
	{"a SHA-256 hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{64}$`), nil},
	{"a SHA-384 hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{96}$`), nil},
	{"a SHA-512 hash in hex", regexp.MustCompile(`^(?:0x)?[0-9A-Fa-f]{128}$`), nil},
	{"a digest in hex with a salt", regexp.MustCompile(`^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})[:$*].|.[:$*](?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})$`), nil},

	// The old crypt(3), which has no prefix.
	{"a DES hash of crypt(3)", regexp.MustCompile(`^[./0-9A-Za-z]{12}[.26AEIMQUYcgkosw]$`), random},
	{"an extended DES hash of crypt(3)", regexp.MustCompile(`^_[./0-9A-Za-z]{19}$`), random},

	{"a bcrypt hash without its first sign", regexp.MustCompile(`^2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{22}`), nil},

	// A hash that something was copied with: a name, quotes, b''.
	{"a line with a hash in it", regexp.MustCompile(`\$2[a-z]?\$[0-9]{2}\$[./A-Za-z0-9]{22}|\$argon2(?:id|i|d)\$|\$(?:[1567y]|apr1)\$[./A-Za-z0-9=,]+\$[./A-Za-z0-9$]{20}|\$pbkdf2-sha[0-9]+\$`), nil},
}

// aspNET reports whether this is the base64 of what ASP.NET Identity stores: version 2 is 49 bytes, version
// 3 names its function, iterations and length of the salt.
func aspNET(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	switch {
	case err != nil || len(b) < 13:
		return false
	case b[0] == 0:
		return len(b) == 49
	}
	return b[0] == 1 && binary.BigEndian.Uint32(b[1:]) <= 3 && binary.BigEndian.Uint32(b[9:]) <= 64
}

// random reports whether letters and digits follow one another as they do by chance. 99 of 100 hashes of
// crypt(3) do; words with a capital or a year do not.
func random(s string) bool {
	changes, before := 0, 0
	for _, r := range s {
		class := 4
		switch {
		case unicode.IsLower(r):
			class = 1
		case unicode.IsUpper(r):
			class = 2
		case unicode.IsDigit(r):
			class = 3
		}
		if before != 0 && class != before {
			changes++
		}
		before = class
	}
	return changes >= 4
}
