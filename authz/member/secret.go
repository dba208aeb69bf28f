package member

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is a string that never prints itself: not by fmt, log/slog, JSON or YAML. To use it,
// convert it: string(s).
type Secret string

// Mask stands for a secret wherever one would have been printed.
const Mask = "********"

// String returns a mask, or nothing if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// Format answers every verb of fmt with the mask: fmt shows a plain value where the verb is wrong.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue masks the secret in log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON masks the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML masks the secret.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
