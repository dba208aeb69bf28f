package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

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
	if err := s.endRemovedClients(ctx); err != nil {
		return fmt.Errorf("end the tokens of clients that were removed: %w", err)
	}
	return s.observer.ShowFeed(s.feed.Status)
}

// endRemovedClients ends the tokens of clients that the configuration had at the last start, and has no longer.
func (s *Server) endRemovedClients(ctx context.Context) error {
	present := s.config.Clients.IDs()
	return storage.Retry(func() error { // another replica may start too
		last, version, err := storage.FeedStates.Get(ctx, s.store, storage.FeedClientsKey)
		if errors.Is(err, storage.ErrNotFound) {
			last = &storage.FeedState{}
		} else if err != nil {
			return err
		}
		if slices.Equal(last.Clients, present) {
			return nil
		}
		writes := []storage.Write{
			storage.FeedStates.Put(storage.FeedClientsKey, &storage.FeedState{Clients: present}, storage.At(version), time.Time{}),
		}
		for _, id := range last.Clients {
			if !slices.Contains(present, id) {
				writes = append(writes, s.events.ClientRemoved(ctx, id)...)
			}
		}
		return s.store.Apply(ctx, writes...)
	})
}
