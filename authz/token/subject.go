package token

import (
	"encoding/base64"
	"strings"

	"github.com/authzd/authzd/authz/client"
)

// Subject is what a client calls a user (OpenID Connect Core section 8): the sub claim wherever the
// client, or an API that it calls, meets it. Clients with pairwise subjects whose sectors differ
// cannot tell from it whether they know the same person.
func (t *Tokens) Subject(c *client.Client, userID string) string { return t.pairwise("sub", c, userID) }

// Sid is what a client calls a browser session: the sid claim. It must tell two sectors as little as
// the sub claim does.
func (t *Tokens) Sid(c *client.Client, sessionID string) string {
	return t.pairwise("sid", c, sessionID)
}

// pairwise returns the id itself for clients with public subjects, and else a value that nobody can
// make or take apart who lacks the server's secret (section 8.1). That secret is never rotated.
func (t *Tokens) pairwise(kind string, c *client.Client, id string) string {
	if c.SubjectType != client.SubjectPairwise || id == "" {
		return id
	}
	input := strings.Join([]string{kind, c.Sector(), id}, "\x00") // no part of it can have a NUL
	value := t.Subjects.Derive([]byte(input))[0]
	return base64.RawURLEncoding.EncodeToString(value[:])
}
