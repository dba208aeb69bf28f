package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/throttle"
)

const (
	// maxDocument is more than the 5 kilobytes that draft-ietf-oauth-client-id-metadata-document section 8.7
	// recommends, because a document may hold keys.
	maxDocument = 16 << 10 // bytes
	// documentStale is how long a client stays usable while its document can't be fetched.
	documentStale = time.Hour
)

// documentsOfNetwork limits the fetches of documents for one network (section 8.6 of the draft).
var documentsOfNetwork = throttle.Limit{Burst: 30, Interval: 10 * time.Second}

// newDocuments returns a cache of clients by the URL of their document. It makes another outbound client, so that
// slow documents delay nothing else.
func newDocuments(through outbound.Config, offer *client.Offer) (*outbound.Cache[*client.Client], error) {
	fetcher, err := outbound.New(through)
	if err != nil {
		return nil, err
	}
	return outbound.NewCache(fetcher, outbound.Want{MaxBytes: maxDocument}, documentStale, func(d *outbound.Document) (*client.Client, error) {
		if d.ContentType != "application/json" && !(strings.HasPrefix(d.ContentType, "application/") && strings.HasSuffix(d.ContentType, "+json")) {
			return nil, outbound.ErrType
		}
		return client.ParseDocument(d.URL, d.Body, offer)
	}), nil
}

// documentClient returns the client whose id is the URL of its metadata (section 5 of the draft).
func (d *Clients) documentClient(ctx context.Context, id string) (*client.Client, error) {
	if !d.documents.Ready(id) {
		if err := d.ledger.TakeNetwork(ctx, "client documents", "Too many client metadata documents were asked for from this address lately.", documentsOfNetwork, 1); err != nil {
			return nil, err
		}
	}
	c, err := d.documents.Get(ctx, id)
	if err == nil {
		return c, nil
	}
	invalid := new(client.RegistrationError)
	switch {
	case errors.As(err, &invalid):
		return nil, oauth.Refuse(oauth.InvalidClient, "The client's metadata document is not usable. "+invalid.Description).Because(err)
	case errors.Is(err, outbound.ErrStatus), errors.Is(err, outbound.ErrType), errors.Is(err, outbound.ErrTooLarge),
		errors.Is(err, outbound.ErrURL), errors.Is(err, outbound.ErrBlocked), errors.Is(err, outbound.ErrHost):
		return nil, oauth.Refuse(oauth.InvalidClient, "There is no metadata document at the client_id, or none that may be fetched.").Because(err)
	}
	return nil, oauth.Refuse(oauth.TemporarilyUnavailable, "The client's metadata document could not be fetched. Try again in a moment.").Because(err)
}
