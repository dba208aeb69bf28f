package token

import (
	"encoding/base64"

	"github.com/authzd/authzd/authz/oauth"
)

// NewRefreshToken returns the first refresh token of a grant.
func (t *Tokens) NewRefreshToken() string { return oauth.NewToken(oauth.PrefixRefresh) }

// Successors returns the successor of a token under each server secret, the current one's first.
// The salt is in the row of the token: a thief of the token and the secret can't derive without the
// database. It is empty where an authzd without salts has derived, and the row is still alive.
func (t *Tokens) Successors(presented string, salt []byte) []string {
	var successors []string
	for _, derived := range t.RefreshKeys.Derive(append([]byte(presented), salt...)) {
		successors = append(successors, oauth.PrefixRefresh+base64.RawURLEncoding.EncodeToString(derived[:]))
	}
	return successors
}
