package member

import (
	"encoding/json"
	"strings"
)

// Scopes is a list of scopes that is written as one string, with spaces (RFC 6749 section 3.3).
type Scopes []string

func (s Scopes) String() string { return strings.Join(s, " ") }

// MarshalJSON writes them as one string.
func (s Scopes) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads them from one string.
func (s *Scopes) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	*s = strings.Fields(text)
	return nil
}
