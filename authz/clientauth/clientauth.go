// Package clientauth authenticates the sender of a request, and finds the key or certificate that they hold.
//
//	form    -> Form -> Claim                      who a request says it comes from; CORS for the origins of that client
//	        -> Authenticate, AsClient -> Sender   secret, signed JWT, TLS certificate (RFC 6749, 7523, 8705)
//	DPoP    -> Proof                              a key that tokens are bound to (RFC 9449)
//	API     -> AccessToken -> CheckSender         the token of a request, and that its sender may use it
package clientauth

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// Authenticator checks the credentials and proofs of clients.
type Authenticator struct {
	Issuer         oauth.Issuer
	Store          storage.Store
	Clients        *directory.Clients
	Keys           *clientkeys.Keys
	Ledger         *allowance.Ledger
	Guesses        *throttle.Buckets // of wrong secrets, by client and network
	Nonces         *dpop.Nonces      // nil: proofs need no nonce
	MTLS           *MTLS             // nil: certificates of clients are ignored
	TrustedProxies []netip.Prefix    // proxies whose header about the certificate counts
	Dev            bool              // loopback origins may call
}

// unknownClient is the description of all failed authentications, so that nobody can find out which clients there
// are.
const unknownClient = "The client is unknown or its credentials are wrong."

// Authenticate is the only client authentication there is (RFC 6749 section 2.3, OpenID
// Connect Core section 9). A client uses the one method that it is registered for; one with a
// secret that has registered none may choose how to send it. The proof is spent once the marks of
// the sender are made.
func (auth *Authenticator) Authenticate(ctx context.Context, r *http.Request, claim *Claim) (Sender, error) {
	presented := claim.presented
	if claim.Malformed != nil {
		return Sender{}, claim.Malformed
	}
	observe.Event(ctx).SetClient(presented.id)
	found, err := claim.Find()
	if err != nil {
		return Sender{}, err
	}
	c := found.Client
	if err := auth.mayGuess(ctx, presented); err != nil {
		return Sender{}, err
	}
	if c == nil {
		return Sender{}, auth.refuseUnknown(ctx, r, presented)
	}
	shown, err := auth.shownCertificates(r)
	if err != nil && (c.UsesCertificate() || c.TLSBound) {
		return Sender{}, oauth.Refuse(oauth.InvalidClient, "The client's certificate is malformed.").Because(err)
	}
	authenticated := Sender{Client: c}
	authenticated.X5T = certificateThumbprint(shown)
	switch {
	case c.Public() && presented.method == client.AuthBasic && presented.secret == "":
		// Some libraries send the header without a secret: the client_id in it is enough.
	case c.Public() && presented.method != client.AuthNone:
		return Sender{}, oauth.Refuse(oauth.InvalidClient, "A public client cannot hold a secret: send client_id alone, and register a confidential client for a backend.")
	case c.UsesCertificate() && presented.method == client.AuthNone:
		if err := auth.checkCertificate(ctx, c, shown); err != nil {
			return Sender{}, err
		}
	case !c.Takes(presented.method):
		refused := oauth.Refuse(oauth.InvalidClient, "The client must authenticate by "+c.AuthMethod+", the method it is registered for.")
		if c.UsesSecret() && client.IsSecret(presented.method) {
			refused.AllowedBy = c.Setting("token_endpoint_auth_method: " + presented.method)
		}
		return Sender{}, refused
	case c.AuthMethod == client.AuthPrivateKeyJWT:
		mark, err := auth.checkAssertion(ctx, r, c, presented.assertion)
		if err != nil {
			return Sender{}, err
		}
		authenticated.Marks = append(authenticated.Marks, mark)
	case !c.Public() && !c.CheckSecret(presented.secret, storage.Now()):
		return Sender{}, auth.wrongSecret(ctx, presented)
	}
	return authenticated, nil
}

// refuseUnknown does the same work for an unknown client as Authenticate does for a known one.
func (auth *Authenticator) refuseUnknown(ctx context.Context, r *http.Request, presented credentials) error {
	if presented.assertion != nil {
		_, err := auth.checkAssertion(ctx, r, nil, presented.assertion)
		return err
	}
	(*client.Client)(nil).CheckSecret(presented.secret, storage.Now())
	return auth.wrongSecret(ctx, presented)
}

// guesses limits the wrong secrets of one client from one network. From other networks the client can still
// authenticate.
var guesses = throttle.Limit{Burst: 20, Interval: 3 * time.Second}

// tooManyGuesses is the description of the answer beyond that limit.
const tooManyGuesses = "Too many wrong secrets of this client came from this address lately."

// mayGuess refuses any secret after too many wrong ones. It does not look at the secret: if the right one got
// another answer, guessing could go on.
func (auth *Authenticator) mayGuess(ctx context.Context, presented credentials) error {
	if presented.secret == "" {
		return nil
	}
	wait := auth.Guesses.Wait(storage.Now(), auth.guess(ctx, presented))
	if wait == 0 {
		return nil
	}
	observe.Alarm(ctx, observe.ClientThrottled)
	return allowance.TooMany(tooManyGuesses, wait)
}

// wrongSecret counts a wrong secret, and returns the answer to it. If many come at once, those beyond the limit get
// the answer of mayGuess.
func (auth *Authenticator) wrongSecret(ctx context.Context, presented credentials) error {
	if presented.secret != "" {
		if err := allowance.Charge(auth.Guesses, storage.Now(), tooManyGuesses, auth.guess(ctx, presented)); err != nil {
			observe.Alarm(ctx, observe.ClientThrottled)
			return err
		}
	}
	return oauth.Refuse(oauth.InvalidClient, unknownClient)
}

// guess returns the charge for a wrong secret.
func (auth *Authenticator) guess(ctx context.Context, presented credentials) throttle.Charge {
	network := throttle.NetworkOf(observe.Event(ctx).Remote())
	return throttle.Charge{Key: auth.Guesses.Key("secrets", presented.id, network), Limit: guesses}
}

// AsClient answers a form that a client sends to an endpoint that fosite does not know. It authenticates the client,
// calls decide, and makes the writes that decide returns in one Apply. The proof of the client is spent even if the
// request is refused, and so is what decide adds to the marks of c.
func (auth *Authenticator) AsClient(r *http.Request, claim *Claim, decide func(c *Sender) ([]storage.Write, error)) error {
	return storage.Retry(func() error {
		err := auth.asClient(r, claim, decide)
		if storage.IsConflict(err) { // another attempt reads the client again
			claim = auth.Claim(r)
		}
		return err
	})
}

// asClient is one attempt of AsClient.
func (auth *Authenticator) asClient(r *http.Request, claim *Claim, decide func(c *Sender) ([]storage.Write, error)) error {
	c, err := auth.Authenticate(r.Context(), r, claim)
	if err != nil {
		return err
	}
	writes, refused := decide(&c)
	if AsksForNonce(refused) {
		return refused
	}
	if writes = append(writes, c.Marks...); len(writes) > 0 {
		if err := auth.Store.Apply(r.Context(), writes...); err != nil {
			return err
		}
	}
	return refused
}

// Claim is who a request says it comes from, before any proof. It lives for one attempt at the request: another attempt
// makes another one.
type Claim struct {
	ID   string                          // of the client; empty: the request names none
	Find func() (directory.Found, error) // reads the client when it is first called, and returns the same from then on

	Malformed error // why the credentials can prove nothing; nil: they may
	presented credentials
}

// Claim reads the credentials of a request whose form is parsed. It does not read the client yet.
func (auth *Authenticator) Claim(r *http.Request) *Claim {
	claim := new(Claim)
	claim.presented, claim.Malformed = presentedCredentials(r, r.PostForm)
	claim.ID = claim.presented.id
	if claim.Malformed != nil {
		claim.ID = claimedClient(r)
	}
	claim.Find = sync.OnceValues(func() (directory.Found, error) { return auth.Clients.Find(r.Context(), claim.ID) })
	return claim
}

// Sender is the authenticated client that sent a request.
type Sender struct {
	*client.Client
	Marks []storage.Write // mark its proof as used; to be made even if the request is refused
	X5T   string          // SHA-256 of the client's TLS certificate; empty: it sent none
}

// credentials are the credentials in a request.
type credentials struct {
	method, id string
	secret     string
	assertion  *assertion
}

// presentedCredentials returns the credentials of a request, and refuses two methods at once. A TLS certificate does
// not count as a method: a client may send one to bind its tokens to it.
func presentedCredentials(r *http.Request, form url.Values) (credentials, error) {
	malformed := oauth.Refuse(oauth.InvalidClient, "The client credentials are malformed.")
	signed, err := parseAssertion(form)
	if err != nil {
		return credentials{}, err
	}
	headers := r.Header.Values("Authorization")
	methods := len(headers)
	for _, name := range []string{"client_secret", "client_assertion"} {
		if form.Has(name) {
			methods++
		}
	}
	switch {
	case len(headers) > 1:
		return credentials{}, malformed
	case methods > 1:
		return credentials{}, oauth.Refuse(oauth.InvalidRequest, "The client authenticates in two ways at once.")
	case len(headers) == 1:
		id, secret, ok := basicCredentials(r)
		if !ok {
			return credentials{}, malformed
		}
		if form.Has("client_id") && form.Get("client_id") != id {
			return credentials{}, oauth.Refuse(oauth.InvalidRequest, "The client_id differs from the one in the Authorization header.")
		}
		return credentials{method: client.AuthBasic, id: id, secret: secret}, nil
	case signed != nil:
		if form.Has("client_id") && form.Get("client_id") != signed.claims.Subject {
			return credentials{}, oauth.Refuse(oauth.InvalidClient, "The client_id differs from the sub of the client_assertion.")
		}
		return credentials{method: client.AuthPrivateKeyJWT, id: signed.claims.Subject, assertion: signed}, nil
	case !form.Has("client_id"):
		return credentials{}, oauth.Refuse(oauth.InvalidClient, "The client_id is missing.")
	case form.Has("client_secret"):
		return credentials{method: client.AuthPost, id: form.Get("client_id"), secret: form.Get("client_secret")}, nil
	}
	return credentials{method: client.AuthNone, id: form.Get("client_id")}, nil
}

// basicCredentials decodes the header and then each half as a form value (RFC 6749 section 2.3.1).
func basicCredentials(r *http.Request) (id, secret string, ok bool) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	return id, secret, err1 == nil && err2 == nil && id != "" && oauth.CleanText(id) && oauth.CleanText(secret)
}

// claimedClient is the client that a request names whose credentials are malformed: for CORS only.
func claimedClient(r *http.Request) string {
	if id, _, ok := basicCredentials(r); ok {
		return id
	}
	if r.PostForm.Has("client_id") {
		return r.PostForm.Get("client_id")
	}
	if signed, err := parseAssertion(r.PostForm); err == nil && signed != nil {
		return signed.claims.Subject
	}
	return ""
}
