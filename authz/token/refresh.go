package token

import (
	"encoding/base64"

	"github.com/authzd/authzd/authz/oauth"
)

// NewRefreshToken returns the first refresh token of a grant.
func (t *Tokens) NewRefreshToken() string { return oauth.NewToken(oauth.PrefixRefresh) }

// Successors returns the successor of a refresh token under each server secret, that of the current secret
// first. The salt is in the record of the token: without the database, a thief of the token and the secret can't
// derive the successor. The salt is empty in records that a version without salts has written.
func (t *Tokens) Successors(presented string, salt []byte) []string {
	var successors []string
	for _, derived := range t.RefreshKeys.Derive(append([]byte(presented), salt...)) {
		successors = append(successors, oauth.PrefixRefresh+base64.RawURLEncoding.EncodeToString(derived[:]))
	}
	return successors
}
