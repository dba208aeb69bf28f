package authorize

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// pushedAnswer is RFC 9126 section 2.2.
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds
}

// Push is the pushed authorization request endpoint (RFC 9126 section 2):
//
//	form -> AsClient -> check -> one Apply -> request_uri
//	/authorize?client_id&request_uri -> Begin -> … pages … -> code and Spend, in one Apply
//
// The request_uri is good for one answer: a code or an error. Until then the browser may send it again: people
// reload pages.
func (reqs *Requests) Push(w http.ResponseWriter, r *http.Request) error {
	form, claim, err := reqs.Auth.Form(w, r)
	if errors.Is(err, oauth.ErrBodyTooLarge) {
		return pushTooLarge(oauth.ErrBodyTooLarge.Description)
	} else if err != nil {
		return err
	}
	answer := pushedAnswer{oauth.NewToken(oauth.PrefixPushed), int(reqs.PushLifetime.Seconds())}
	err = reqs.Auth.AsClient(r, claim, func(c *clientauth.Sender) ([]storage.Write, error) {
		return reqs.newPushedRequest(w.Header(), r, c, form, answer.RequestURI)
	})
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusCreated, answer)
}

// newPushedRequest checks a request as the authorization endpoint does (RFC 9126 section 2.1), and demands a
// redirect_uri. It returns the writes that store the request.
func (reqs *Requests) newPushedRequest(header http.Header, r *http.Request, c *clientauth.Sender, form url.Values, requestURI string) ([]storage.Write, error) {
	proof, err := reqs.Auth.Proof(header, r, c.Client, "")
	if err != nil {
		return nil, err
	}
	var writes []storage.Write
	proof.Spend(reqs.Ledger.Stranger(c.Client), &writes, &c.Marks)
	params, err := reqs.paramsToPush(r.Context(), c.Client, form)
	if err != nil {
		return nil, err
	}
	a, err := reqs.check(r, params)
	if err != nil {
		return nil, forClient(err)
	}
	a.NoteLeftOut(r.Context())
	if err := bindRequest(params, proof); err != nil {
		return nil, err
	}
	record := &storage.PushedRequest{ClientID: c.ID, Params: params.Encode(), ExpiresAt: a.Now.Add(reqs.PushLifetime)}
	kept := record.ExpiresAt
	if !FitsURL(record.Params) {
		if reqs.Ledger.Stranger(c.Client) {
			return nil, pushTooLarge("The authorization request is too long for a client that anybody may be.")
		}
		kept = kept.Add(CarriedLifetime) // its flows read it until they end
	}
	if reqs.Ledger.Stranger(c.Client) {
		if err := reqs.Ledger.Take(r.Context(), allowance.Pushes, c.Client, len(record.Params)); err != nil {
			return nil, err
		}
	}
	return append(writes, storage.PushedRequests.Put(oauth.HashToken(requestURI), record, storage.Absent, kept)), nil
}

// pushTooLarge returns an error with status 413 (RFC 9126 section 2.3).
func pushTooLarge(description string) error {
	return &oauth.Error{Status: http.StatusRequestEntityTooLarge, Code: oauth.InvalidRequest, Description: description}
}

// paramsToPush returns the parameters of a push that count: those of the form, or of the request object in it.
func (reqs *Requests) paramsToPush(ctx context.Context, c *client.Client, form url.Values) (url.Values, error) {
	params := maps.Clone(form)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		params.Del(name) // they authenticate the client, and are secret
	}
	params.Set("client_id", c.ID)
	switch {
	case params.Has("request_uri"):
		return nil, oauth.Refuse(oauth.InvalidRequest, "A request_uri can't be pushed.")
	case params.Has("request"): // section 3: nothing else counts
		object, err := reqs.openRequestObject(ctx, c, params.Get("request"))
		if err != nil {
			return nil, err
		}
		params = object.params
	case c.RequireSigned:
		return nil, errUnsigned
	}
	if !params.Has("redirect_uri") { // FAPI 2.0 Security Profile section 5.3.2.2
		return nil, errRedirectURIMissing
	}
	return params, nil
}

// forClient turns an error of the authorization endpoint into one of RFC 9126 section 2.3: there, only a person
// sees RedirectURIMismatch, which is no code of a standard.
func forClient(err error) error {
	if e := oauth.AsError(err); e.Code == oauth.RedirectURIMismatch {
		return oauth.Refuse(oauth.InvalidRequest, e.Description).Because(e.Cause)
	}
	return err
}

// ErrPushedUnknown is the answer to a request_uri that can't be used. It does not say why: the request_uri is a
// secret of its client.
var ErrPushedUnknown = oauth.Refuse(oauth.InvalidRequestURI, "The request_uri is unknown, expired, used, or of another client.")

// beginPushed begins the pushed request of a request_uri. Other parameters of the browser do not count (RFC
// 9126 section 4).
func (reqs *Requests) beginPushed(ctx context.Context, f *Carried, c *client.Client, requestURI string) error {
	record, err := reqs.pushedRequest(ctx, requestURI)
	switch {
	case err != nil:
		return err
	case record.ClientID != c.ID, !f.Started.Before(record.ExpiresAt):
		return ErrPushedUnknown
	}
	f.Pushed, f.Params = requestURI, record.Params
	if !FitsURL(record.Params) {
		f.Params = url.Values{"client_id": {c.ID}, "request_uri": {requestURI}}.Encode()
	}
	return nil
}

// pushedParams returns the parameters of a flow that began with a pushed request. The error is ErrPushedUnknown
// if the request was answered.
func (reqs *Requests) pushedParams(ctx context.Context, f Carried) (url.Values, error) {
	if answered, err := oauth.Marked(ctx, reqs.Store, pushedMark(f.Pushed)); err != nil {
		return nil, err
	} else if answered {
		return nil, ErrPushedUnknown
	}
	params, err := oauth.ParseParams(f.Params)
	if err != nil || !params.Has("request_uri") {
		return params, err
	}
	record, err := reqs.pushedRequest(ctx, f.Pushed)
	if err != nil {
		return nil, err
	}
	return oauth.ParseParams(record.Params)
}

func (reqs *Requests) pushedRequest(ctx context.Context, requestURI string) (*storage.PushedRequest, error) {
	record, _, err := storage.PushedRequests.Get(ctx, reqs.Store, oauth.HashToken(requestURI))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ErrPushedUnknown
	}
	return record, err
}

// Spend returns the writes that end a pushed request, nil if a was not pushed. Apply them with the answer: there
// is no second one (RFC 9126 section 7.3). The mark outlives every flow that has begun.
func (reqs *Requests) Spend(a *Request) []storage.Write {
	if a.pushed == "" {
		return nil
	}
	until := a.Now.Add(reqs.PushLifetime + CarriedLifetime)
	return []storage.Write{
		oauth.MarkOnce(pushedMark(a.pushed), until),
		storage.PushedRequests.Delete(oauth.HashToken(a.pushed), storage.Any),
	}
}

func pushedMark(requestURI string) string { return oauth.MarkPushed + oauth.HashToken(requestURI) }
