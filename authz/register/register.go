// Package register lets clients register themselves (RFC 7591, RFC 7592, OpenID Connect Dynamic Client
// Registration 1.0). Strangers may call it, so all that it costs is limited.
//
//	body -> software statement -> Complete -> limit of the network -> sector -> room (census.go) -> one Apply
package register

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// Endpoint is the client registration endpoint.
type Endpoint struct {
	Issuer   oauth.Issuer
	Store    storage.Store
	Clients  *directory.Clients
	Auth     *clientauth.Authenticator
	Keys     *clientkeys.Keys // finds the keys of the issuers of software statements
	Outbound *outbound.Client // fetches sector_identifier_uri
	Ledger   *allowance.Ledger
	Events   *events.Recorder
	Secrets  *keys.Deriver // derives client secrets
	Policy   Policy

	census census
}

// Create is the client registration endpoint (RFC 7591 section 3, OpenID Connect Dynamic Client Registration
// section 3).
func (ep *Endpoint) Create(w http.ResponseWriter, r *http.Request) error {
	if err := ep.mayRegister(w, r); err != nil {
		return err
	}
	info, err := registrationBody(w, r)
	if err != nil {
		return err
	}
	registration := &info.Registration
	if err := ep.completeRegistration(r.Context(), registration); err != nil {
		return err
	}
	id, token := oauth.NewID(), oauth.NewToken(oauth.PrefixRegistration)
	record, err := ep.newClientRecord(id, token, registration, storage.Now())
	if err != nil {
		return err
	}
	if err := ep.limitRegistrations(r.Context(), "registrations", record); err != nil {
		return err
	}
	if err := ep.checkSector(r.Context(), registration); err != nil {
		return err
	}
	if err := ep.makeRoom(r.Context(), places(record)); err != nil {
		return err
	}
	observe.Event(r.Context()).SetClient(id)
	write := storage.Clients.Put(id, record, storage.Absent, ep.Clients.Registered.ForgottenAt(record))
	if err := ep.Store.Apply(r.Context(), append(ep.Events.ClientChanged(r.Context(), audit.ClientCreated, id), write)...); err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusCreated, ep.information(id, token, record, registration))
}

// completeRegistration checks a registration and fills in its defaults. The software statement of a client
// overrides what the client says itself.
func (ep *Endpoint) completeRegistration(ctx context.Context, r *client.Registration) error {
	if err := ep.applySoftwareStatement(ctx, r); err != nil {
		return err
	}
	return r.Complete(ep.Clients.Registered.Offer)
}

// mayRegister demands an initial access token if the policy does (RFC 7591 section 3).
func (ep *Endpoint) mayRegister(w http.ResponseWriter, r *http.Request) error {
	if ep.Policy.Mode != Token {
		return nil
	}
	token, err := ep.Auth.BearerToken(w, r)
	if err != nil {
		return err
	}
	hash, known := sha256.Sum256([]byte(token)), 0
	for _, initial := range ep.Policy.InitialAccessTokens {
		want := sha256.Sum256([]byte(initial))
		known |= subtle.ConstantTimeCompare(hash[:], want[:])
	}
	if known != 1 {
		return ep.Auth.Challenge(w, oauth.Refuse(oauth.InvalidToken, "The initial access token is unknown."))
	}
	return nil
}

// registrationBody reads a JSON body.
func registrationBody(w http.ResponseWriter, r *http.Request) (*client.Information, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, oauth.Refuse(client.ErrInvalidMetadata, "The body must be application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, oauth.MaxForm))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, oauth.Refuse(client.ErrInvalidMetadata, "The body is too large.")
	} else if err != nil {
		return nil, oauth.Refuse(client.ErrInvalidMetadata, "The body could not be read.").Because(err)
	}
	return client.ParseRegistration(body)
}

// limitRegistrations counts a registration for its network. Call it before anything that costs: a call of a
// stranger's URL, a record.
func (ep *Endpoint) limitRegistrations(ctx context.Context, kind string, record *storage.Client) error {
	hourly := ep.Policy.PerAddressPerHour
	perNetwork := throttle.Limit{Burst: hourly, Interval: time.Hour / time.Duration(hourly)}
	return ep.Ledger.TakeNetwork(ctx, kind, "Too many clients were registered from this address lately.", perNetwork, places(record))
}

// checkSector checks the redirect URIs against the document at the sector_identifier_uri (OpenID Connect
// Dynamic Client Registration section 5).
func (ep *Endpoint) checkSector(ctx context.Context, r *client.Registration) error {
	if r.SectorURI == "" {
		return nil
	}
	document, err := ep.Outbound.Get(ctx, r.SectorURI, outbound.Want{})
	if err != nil {
		return oauth.Refuse(client.ErrInvalidMetadata, "The sector_identifier_uri could not be fetched.").Because(err)
	}
	var listed []string
	if err := json.Unmarshal(document.Body, &listed); err != nil {
		return oauth.Refuse(client.ErrInvalidMetadata, "There is no JSON array of redirect URIs at the sector_identifier_uri.")
	}
	for _, uri := range r.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return oauth.Refuse(client.ErrInvalidMetadata, "The sector_identifier_uri does not list all redirect_uris.")
		}
	}
	return nil
}

// maxMetadata limits the metadata of one registration; census.go limits all of them.
const maxMetadata = 32 << 10 // bytes

// newClientRecord returns the record of a client: its metadata, and the hashes of its secrets. It fails if no
// client can be made of the metadata.
func (ep *Endpoint) newClientRecord(id, token string, r *client.Registration, createdAt time.Time) (*storage.Client, error) {
	metadata, err := r.Kept()
	if err != nil {
		return nil, err
	}
	if len(metadata) > maxMetadata {
		return nil, oauth.Refuse(client.ErrInvalidMetadata, "There is more metadata than is kept.")
	}
	record := &storage.Client{Metadata: metadata, TokenHash: oauth.HashToken(token), CreatedAt: createdAt}
	if r.UsesSecret() {
		record.SecretHash = oauth.HashToken(ep.clientSecret(token))
	}
	_, err = ep.Clients.Registered.Make(id, record)
	return record, err
}

// clientSecret returns the secret of a client. It is derived from the registration access token: only hashes are
// stored, and yet every answer to this token can show the secret again (RFC 7592 section 3).
func (ep *Endpoint) clientSecret(token string) string {
	derived := ep.Secrets.Derive([]byte(token))[0]
	return oauth.PrefixClientSecret + base64.RawURLEncoding.EncodeToString(derived[:])
}

// information returns the answer of RFC 7591 section 3.2.1 and RFC 7592 section 3.
func (ep *Endpoint) information(id, token string, record *storage.Client, r *client.Registration) *client.Information {
	issuedAt := record.CreatedAt.Unix()
	info := &client.Information{
		ClientID:                id,
		ClientIDIssuedAt:        &issuedAt,
		RegistrationAccessToken: token,
		RegistrationClientURI:   ep.Issuer.URL("/register/" + id),
		Registration:            r.Shown(),
	}
	if record.SecretHash != "" {
		never := int64(0)
		info.ClientSecret, info.ClientSecretExpiresAt = ep.clientSecret(token), &never
	}
	return info
}
