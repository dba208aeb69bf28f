package register

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// ownRegistration is a registered client that has sent its registration access token (RFC 7592 section 2).
type ownRegistration struct {
	id, token string
	record    *storage.Client
	version   uint64
	current   *client.Registration
}

// ownRegistration finds the client of a request, and checks its token. An unknown client and a wrong token have
// the same answer (RFC 7592 section 2.1).
func (ep *Endpoint) ownRegistration(w http.ResponseWriter, r *http.Request) (*ownRegistration, error) {
	token, err := ep.Auth.BearerToken(w, r)
	if err != nil {
		return nil, err
	}
	own := &ownRegistration{id: mux.Vars(r)["client"], token: token, record: &storage.Client{}}
	if len(own.id) == oauth.IDLength {
		own.record, own.version, err = storage.Clients.Get(r.Context(), ep.Store, own.id)
	}
	if errors.Is(err, storage.ErrNotFound) {
		own.record = &storage.Client{}
	} else if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(oauth.HashToken(token)), []byte(own.record.TokenHash)) != 1 {
		return nil, ep.Auth.Challenge(w, oauth.Refuse(oauth.InvalidToken, "There is no client that has this registration access token."))
	}
	observe.Event(r.Context()).SetClient(own.id)
	info, err := client.ParseRegistration(own.record.Metadata)
	if err != nil {
		return nil, err
	}
	own.current = &info.Registration
	return own, nil
}

// Read answers with the registration of a client (RFC 7592 section 2.1).
func (ep *Endpoint) Read(w http.ResponseWriter, r *http.Request) error {
	own, err := ep.ownRegistration(w, r)
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusOK, ep.information(own.id, own.token, own.record, own.current))
}

// Update replaces all metadata of a client (RFC 7592 section 2.2). The token and the secret stay the same, so
// that a client which lost the answer can ask again.
func (ep *Endpoint) Update(w http.ResponseWriter, r *http.Request) error {
	own, err := ep.ownRegistration(w, r)
	if err != nil {
		return err
	}
	info, err := registrationBody(w, r)
	if err != nil {
		return err
	}
	if err := ep.checkUpdate(own, info); err != nil {
		return err
	}
	registration := &info.Registration
	if err := ep.completeRegistration(r.Context(), registration); err != nil {
		return err
	}
	record, err := ep.newClientRecord(own.id, own.token, registration, own.record.CreatedAt)
	if err != nil {
		return err
	}
	more := places(record) - places(own.record)
	if err := ep.admitUpdate(r.Context(), registration, record, more); err != nil {
		return err
	}
	err = storage.Retry(func() error {
		if own, err = ep.ownRegistration(w, r); err != nil {
			return err
		}
		record.UsedAt = own.record.UsedAt
		own.record = record
		write := storage.Clients.Put(own.id, record, storage.At(own.version), ep.Clients.Registered.ForgottenAt(record))
		return ep.Store.Apply(r.Context(), append(ep.Events.ClientChanged(r.Context(), audit.ClientUpdated, own.id), write)...)
	})
	if err != nil {
		return err
	}
	if more < 0 {
		ep.census.left()
	}
	return oauth.WriteJSON(w, http.StatusOK, ep.information(own.id, own.token, own.record, registration))
}

// admitUpdate checks an update that is well formed against limits, the sector_identifier_uri and the room that
// is left.
func (ep *Endpoint) admitUpdate(ctx context.Context, registration *client.Registration, record *storage.Client, morePlaces int) error {
	if err := ep.limitRegistrations(ctx, "updates of clients", record); err != nil {
		return err
	}
	if err := ep.checkSector(ctx, registration); err != nil {
		return err
	}
	if morePlaces <= 0 {
		return nil
	}
	return ep.makeRoom(ctx, morePlaces)
}

// checkUpdate checks the members that the server decides, as RFC 7592 section 2.2 demands.
func (ep *Endpoint) checkUpdate(own *ownRegistration, info *client.Information) error {
	switch {
	case info.ClientID == "":
		return oauth.Refuse(client.ErrInvalidMetadata, "The client_id is missing.")
	case info.ClientID != own.id:
		return oauth.Refuse(client.ErrInvalidMetadata, "The client_id is not that of this client.")
	case info.RegistrationAccessToken != "", info.RegistrationClientURI != "", info.ClientSecretExpiresAt != nil, info.ClientIDIssuedAt != nil:
		return oauth.Refuse(client.ErrInvalidMetadata, "The members registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at must not be sent.")
	case info.ClientSecret != "" && subtle.ConstantTimeCompare([]byte(oauth.HashToken(info.ClientSecret)), []byte(own.record.SecretHash)) != 1:
		return oauth.Refuse(client.ErrInvalidMetadata, "The client_secret is not that of this client.")
	}
	return nil
}

// Delete deregisters a client (RFC 7592 section 2.3). Its codes, grants and tokens are void from now on: they
// count only while their client is registered.
func (ep *Endpoint) Delete(w http.ResponseWriter, r *http.Request) error {
	own, err := ep.ownRegistration(w, r)
	if err != nil {
		return err
	}
	writes := append(ep.Events.ClientChanged(r.Context(), audit.ClientDeleted, own.id), storage.Clients.Delete(own.id, storage.Any))
	if err := ep.Store.Apply(r.Context(), writes...); err != nil {
		return err
	}
	ep.census.left()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
