package authz

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
)

// newFeed returns the revocation feed. All parts write to it, and it calls parts that are opened later.
func (s *Server) newFeed() *feed.Feed {
	c := feed.Config{
		Store: s.store, Issuer: s.issuer.ID, Logger: s.logger, Alone: s.config.File != nil, Longest: s.longestAccess,
		Entries: func(ctx context.Context, r *storage.Revocation) ([]revocation.Entry, error) {
			return s.tokens.Ended(ctx, r)
		},
		Sign: func(claims []byte) (string, error) {
			return s.keys.Sign(s.config.Signing.Alg, keys.TypeRevocations, json.RawMessage(claims))
		},
	}
	if s.config.Revocations.ClientsOnly {
		c.Authenticate = s.authenticateFollower
	}
	return feed.New(c)
}

// authenticateFollower authenticates a client that reads the revocation feed, and returns the parameters. A GET has the
// credentials in its header, a POST also in its form.
func (s *Server) authenticateFollower(w http.ResponseWriter, r *http.Request) (params url.Values, err error) {
	r.Form, r.PostForm = url.Values{}, url.Values{}
	if r.Method == http.MethodPost {
		params, err = oauth.RequestForm(w, r)
	} else {
		params, err = oauth.RequestQuery(r)
	}
	if err != nil {
		return nil, err
	}
	claim := s.auth.Claim(r)
	s.auth.OnlyOrigins(w, r, claim.Find)
	return params, s.auth.AsClient(r, claim, func(c *clientauth.Sender) ([]storage.Write, error) {
		if c.Public() {
			return nil, oauth.Refuse(oauth.InvalidClient, "The revocation feed needs a client that can prove who it is.")
		}
		return nil, nil
	})
}

func (s *Server) openFeed(ctx context.Context) error {
	if err := s.feed.Open(ctx); err != nil {
		return err
	}
	return s.observer.ShowFeed(s.feed.Status)
}
