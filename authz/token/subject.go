package token

import (
	"encoding/base64"
	"strings"

	"github.com/authzd/authzd/authz/client"
)

// Subject returns the sub of a user for a client, and for the APIs that it calls (OpenID Connect Core section
// 8). Two clients with pairwise subjects and different sectors cannot find out from it whether they know the
// same person.
func (t *Tokens) Subject(c *client.Client, userID string) string { return t.pairwise("sub", c, userID) }

// Sid returns the sid of a browser session for a client. It is pairwise where the sub is.
func (t *Tokens) Sid(c *client.Client, sessionID string) string {
	return t.pairwise("sid", c, sessionID)
}

// pairwise returns the id itself for clients with public subjects. For others it returns a value that nobody
// can make or reverse without the server's secret for subjects (section 8.1). That secret is never rotated.
func (t *Tokens) pairwise(kind string, c *client.Client, id string) string {
	if c.SubjectType != client.SubjectPairwise || id == "" {
		return id
	}
	input := strings.Join([]string{kind, c.Sector(), id}, "\x00") // no part of it can have a NUL
	value := t.Subjects.Derive([]byte(input))[0]
	return base64.RawURLEncoding.EncodeToString(value[:])
}
