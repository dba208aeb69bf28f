package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/authzd/authzd/authz/member"
)

// YAML writes the effective configuration with all defaults filled in and secrets masked.
func (c *Config) YAML() ([]byte, error) {
	shown := *c
	shown.Clients = slices.Clone(c.Clients)
	for i := range shown.Clients {
		if entry := &shown.Clients[i]; entry.AnySecretMethod { // to name one would rule out the other
			entry.AuthMethod = ""
		}
	}
	return marshal(&shown)
}

// marshal writes a configuration as people write it.
func marshal(configuration any) ([]byte, error) {
	return yaml.MarshalWithOptions(configuration,
		yaml.IndentSequence(true),
		yaml.UseLiteralStyleIfMultiline(true),
		yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) { return []byte(short(d)), nil }),
		yaml.CustomMarshaler(func(t time.Time) ([]byte, error) { return []byte(t.Format(time.RFC3339Nano)), nil }),
		yaml.CustomMarshaler(func(p netip.Prefix) ([]byte, error) { return []byte(p.String()), nil }),
		yaml.CustomMarshaler(func(l member.Scopes) ([]byte, error) { return yaml.Marshal(l.String()) }),
	)
}
