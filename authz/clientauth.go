package authz

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// authenticateClient is the only client authentication there is (RFC 6749 section 2.3, OpenID
// Connect Core section 9). A client uses the one method that it is registered for.
func (s *Server) authenticateClient(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	presented, err := presentedCredentials(r, form)
	if err != nil {
		return nil, err
	}
	observe.Event(ctx).SetClient(presented.id)
	c, err := s.client(ctx, presented.id)
	if err != nil {
		return nil, err
	}
	proved := c.CheckSecret(presented.secret) // for unknown and public clients too: the cost is the same
	switch {
	case c == nil:
		return nil, refuse(errInvalidClient, "The client is unknown or its credentials are wrong.")
	case c.Public() && presented.method != client.AuthNone:
		return nil, refuse(errInvalidClient, "A public client cannot hold a secret: send client_id alone, and register a confidential client for a backend.")
	case c.Public():
		return fositeClient{Client: c}, nil
	case presented.method != c.AuthMethod:
		return nil, refuse(errInvalidClient, "The client must authenticate by "+c.AuthMethod+", the method it is registered for.")
	case !proved:
		return nil, refuse(errInvalidClient, "The client is unknown or its credentials are wrong.")
	}
	return fositeClient{Client: c}, nil
}

// authentication is what came with a client's proof of who it is.
type authentication struct {
	marks []storage.Write // that the proof is spent; made whether the request succeeds or not
	x5t   string          // SHA-256 of the client's TLS certificate; empty: it showed none
}

type credentials struct{ method, id, secret string }

// presentedCredentials finds what the client has sent, and refuses two methods at once.
func presentedCredentials(r *http.Request, form url.Values) (credentials, error) {
	malformed := refuse(errInvalidClient, "The client credentials are malformed.")
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return credentials{}, refuse(errInvalidClient, "Client assertions are not offered.")
	}
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return credentials{}, malformed
	case len(headers) == 1:
		if form.Has("client_secret") {
			return credentials{}, refuse(errInvalidRequest, "The client authenticates in two ways at once.")
		}
		id, secret, ok := basicCredentials(r)
		if !ok {
			return credentials{}, malformed
		}
		if form.Has("client_id") && form.Get("client_id") != id {
			return credentials{}, refuse(errInvalidRequest, "The client_id differs from the one in the Authorization header.")
		}
		return credentials{client.AuthBasic, id, secret}, nil
	case !form.Has("client_id"):
		return credentials{}, refuse(errInvalidClient, "The client_id is missing.")
	case form.Has("client_secret"):
		return credentials{client.AuthPost, form.Get("client_id"), form.Get("client_secret")}, nil
	}
	return credentials{client.AuthNone, form.Get("client_id"), ""}, nil
}

// basicCredentials decodes the header and then each half as a form value (RFC 6749 section 2.3.1).
func basicCredentials(r *http.Request) (id, secret string, ok bool) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	return id, secret, err1 == nil && err2 == nil && id != "" && cleanText(id) && cleanText(secret)
}

// claimedClient is who a request says it comes from, before any proof: for CORS only.
func claimedClient(r *http.Request) string {
	if id, _, ok := basicCredentials(r); ok {
		return id
	}
	return r.PostForm.Get("client_id")
}
