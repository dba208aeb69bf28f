package authz

import "github.com/authzd/authzd/authz/client"

// subject is what a client calls a user (OpenID Connect Core section 8).
func (s *Server) subject(_ *client.Client, userID string) string { return userID }
