package authz

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/storage"
)

// Passkeys says whether and how people sign in with passkeys. The zero value is on, where the issuer's host is a
// domain.
type Passkeys struct {
	Off            bool
	RPID           string         // empty: the host of the issuer
	RelatedOrigins []string       // other origins that may use the same passkeys
	Authenticators []uuid.UUID    // models that may be added; empty: all
	Roots          *x509.CertPool // that prove a model; nil: an authenticator is believed
}

// openPasskeys makes the passkeys, if there are any.
func (s *Server) openPasskeys(context.Context) (err error) {
	c := s.config.Passkeys
	if c.Off {
		return nil
	}
	issuer, err := url.Parse(s.issuer.ID)
	if err != nil {
		return err
	}
	name := s.config.Branding.Name
	if name == "" {
		name = issuer.Hostname()
	}
	s.passkeys, err = passkey.New(passkey.Config{
		Store: s.store, Sealer: s.config.Secret.Sealer(purposePasskey), Issuer: issuer, RPID: c.RPID, RPName: name,
		Authenticators: c.Authenticators, Roots: c.Roots,
		OtherWay: func(ctx context.Context, user *storage.User) (bool, error) {
			return s.accounts.HasOtherWay(ctx, user, s.connectors.Has)
		},
		Changed: s.passkeyChanged,
	})
	if errors.Is(err, passkey.ErrNoDomain) {
		s.logger.Info("people cannot sign in with passkeys: these need a domain", "issuer", s.issuer.ID)
		return nil
	}
	if err == nil {
		s.accounts.HasPasskey = s.passkeys.Has
	}
	return err
}

// passkeyChanged returns the writes that record a change of a passkey, and tell its user.
func (s *Server) passkeyChanged(ctx context.Context, what passkey.Change, user *storage.User, key *passkey.Passkey) []storage.Write {
	writes := s.events.PasskeyChanged(ctx, what, user, key)
	where := mail.Where{At: storage.Now()}
	if from := observe.Event(ctx).Remote(); from.IsValid() {
		where.Address = from.String()
	}
	switch what {
	case passkey.Added:
		writes = append(writes, s.outbox.Notify(user, "", mail.PasskeyAdded{Name: key.Name, Link: "/account", Where: where})...)
	case passkey.Removed:
		writes = append(writes, s.outbox.Notify(user, "", mail.PasskeyRemoved{Name: key.Name, Link: "/account", Where: where})...)
	}
	return writes
}

// relatedOrigins answers browsers that ask which origins may use the passkeys of the host
// (Web Authentication Level 3 section 5.11).
func (s *Server) relatedOrigins(w http.ResponseWriter, _ *http.Request) error {
	issuer, err := url.Parse(s.issuer.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	return json.NewEncoder(w).Encode(map[string][]string{"origins": append([]string{issuer.Scheme + "://" + issuer.Host}, s.config.Passkeys.RelatedOrigins...)})
}
