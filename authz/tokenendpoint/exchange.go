package tokenendpoint

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/ory/fosite"
)

// exchange carries one token request through fosite, as its session: what a grant handler has
// found out and decided, and what is to be written.
type exchange struct {
	fosite.DefaultSession
	token.Authorization                      // what the tokens will say
	confirmation        storage.Confirmation // what the access token is bound to

	request   *http.Request
	answer    http.Header // of the answer
	grantType string      // as asked for
	claim     *clientauth.Claim
	record    func() (storage.Record, error) // of what the client presents: read when it is first called
	requester fosite.AccessRequester

	again   error // not nil: the request must be decided again
	minted  token.Minted
	rotated string // the refresh token that is used up by this request; empty: none
	salt    []byte // of its successor

	issuedType   string          // issued_token_type (RFC 8693 section 2.2.1); empty: no exchange
	refreshToken string          // to answer with; empty: none
	writes       []storage.Write // made if the request succeeds
	durable      []storage.Write // made if it is refused: revocations
	marks        []storage.Write // made in both cases: what may be shown once was shown
}

// SetExpiresAt does nothing: fosite's handlers set a lifetime of theirs, and complete answers with that of the token.
func (*exchange) SetExpiresAt(fosite.TokenType, time.Time) {}

// read prepares to read the record of what the client presents. If the client must be read too, both are read at once,
// before the client has proved who it is: from a database on another machine that takes one round trip.
func (ep *Endpoint) read(ctx context.Context, x *exchange, form url.Values) {
	i := slices.IndexFunc(grants, func(g grantType) bool { return g.name == x.grantType && g.parameter != "" })
	if i < 0 || form.Get(grants[i].parameter) == "" {
		return
	}
	x.record = sync.OnceValues(func() (storage.Record, error) {
		return ep.Store.Get(ctx, grants[i].table, oauth.HashToken(form.Get(grants[i].parameter)))
	})
	if x.claim.Malformed == nil && ep.Clients.File.Get(x.claim.ID) == nil {
		var reads sync.WaitGroup
		reads.Go(func() { x.record() })
		x.claim.Find()
		reads.Wait()
	}
}

// recordOf returns the record of what the client presents, with its version, or storage.ErrNotFound.
func recordOf[T any](x *exchange, kind storage.Kind[T]) (*T, uint64, error) {
	record, err := x.record()
	if err != nil {
		return nil, 0, err
	}
	entry, err := kind.Entry(record)
	return entry.Value, entry.Version, err
}

// maxLater is how long a request waits for a later second. The clock of the replica that ended the user's tokens may
// be ahead; if it is ahead by more, the token gets an iat of the future.
const maxLater = 2 * time.Second

// laterSecond makes sure that the token counts at APIs that follow the revocation feed: there a change of the user's
// roles ends all tokens up to that second. If it is still the same second, laterSecond waits for the next, and the
// request is decided again, because the user may have changed meanwhile. The error is then x.again.
func (x *exchange) laterSecond(ctx context.Context) error {
	wait := time.Unix(x.NotBefore()+1, 0).Sub(x.Now)
	if wait <= 0 || wait > maxLater {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		x.again = &storage.ConflictError{Table: storage.Users.Table, Key: x.GrantID}
		return x.again
	case <-ctx.Done():
		return ctx.Err()
	}
}

// narrowScope applies the scope of a refresh request (RFC 6749 section 6). A client can ask for less and not for
// more; the grant keeps its scopes.
func narrowScope(x *exchange, form url.Values) error {
	if !form.Has("scope") {
		return nil
	}
	asked := oauth.ScopesOf(form)
	for _, scope := range asked {
		if !slices.Contains(x.Scopes, scope) {
			return oauth.Refuse(oauth.InvalidScope, "A requested scope was not granted.")
		}
	}
	x.Scopes = asked
	return nil
}

// narrowResource applies the resource of a token request (RFC 8707 section 2.2). A client can ask for less and not
// for more.
func (ep *Endpoint) narrowResource(x *exchange, form url.Values) error {
	asked := form["resource"]
	if len(asked) == 0 {
		return nil
	}
	for _, resource := range asked {
		if !slices.Contains(x.Resources, resource) {
			return oauth.Refuse(oauth.InvalidTarget, "A requested resource was not granted.")
		}
	}
	x.Resources = asked
	x.Scopes = ep.Resources.ScopesFor(x.Scopes, asked)
	return nil
}

// issued describes what the client gets, for the events.
func (x *exchange) issued() events.Issued {
	i := events.Issued{ClientID: x.Client.ID, GrantID: x.GrantID, GrantType: x.grantType, Scopes: x.Scopes, Resources: x.Resources}
	if x.Grant != nil {
		i.UserID, i.SessionID = x.Grant.UserID, x.Grant.SessionID
	}
	return i
}

// revokeReused revokes the grant of a code or a refresh token that came a second time. The revocation is written
// although the request is refused.
func (ep *Endpoint) revokeReused(ctx context.Context, x *exchange, what audit.Type, gid string, of *storage.Authorization) error {
	revocation, err := ep.Grants.Revocation(ctx, gid)
	if err == nil {
		x.durable = append(x.durable, ep.Events.Reused(ctx, what, gid, of, revocation)...)
	}
	return err
}
