package config

import (
	"encoding/base64"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// KMS keeps the server's secrets under a key that is kept elsewhere: what stands in secret_file is of no
// use without it. The key is asked for once, at the start.
type KMS struct {
	// Local is a key that this machine holds, such as a credential of the service manager.
	Local KMSLocal `yaml:"local"`
}

// KMSLocal is a key that this machine holds.
type KMSLocal struct {
	// Key is 32 random bytes as base64 text, as "openssl rand -base64 32" makes it. Keep it where
	// neither the database nor secret_file is.
	Key member.Secret `yaml:"key"`
}

func (d *document) checkKMS(k KMS) {
	const bytes = 32
	text := string(k.Local.Key)
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
	if key, err := base64.RawURLEncoding.DecodeString(plain); text != "" && (err != nil || len(key) != bytes) {
		d.report("kms.local.key", k.Local.Key, problemf("make one with: openssl rand -base64 32", "not %d bytes of base64 text", bytes))
	}
}
