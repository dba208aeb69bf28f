package selfservice

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

const (
	exportPath = "/account/export"
	// maxExported bounds how many events of the audit log a download has, and maxLists how much of the log it reads.
	maxExported, maxLists = 1000, 10
)

// Export is all that is kept about a person, as they can download it. It has no secret: no password, no key, no code.
type Export struct {
	ExportedAt time.Time          `json:"exported_at"`
	Issuer     string             `json:"issuer"`
	Sub        string             `json:"sub"`
	Profile    users.User         `json:"profile"`
	CreatedAt  time.Time          `json:"created_at"`
	UpdatedAt  time.Time          `json:"updated_at"`
	Password   bool               `json:"has_password"`
	Identities []ExportedIdentity `json:"identities"`
	Factors    []ExportedFactor   `json:"factors"`
	Sessions   []ExportedSession  `json:"sessions"`
	Consents   []ExportedConsent  `json:"consents"`
	Events     []audit.Event      `json:"events"` // of the audit log: what the person did, the newest first
}

// ExportedIdentity is a linked account.
type ExportedIdentity struct {
	Connector string    `json:"connector"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`
	Email     string    `json:"email,omitempty"`
	LinkedAt  time.Time `json:"linked_at"`
}

// ExportedFactor is a passkey or another factor, by name.
type ExportedFactor struct {
	Type      string    `json:"type"` // passkey, totp or recovery_codes
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// ExportedSession is a sign-in in a browser.
type ExportedSession struct {
	ID         string    `json:"sid"`
	Browser    string    `json:"browser,omitempty"`
	System     string    `json:"system,omitempty"`
	Address    string    `json:"address,omitempty"`
	AuthTime   time.Time `json:"auth_time"`
	AMR        []string  `json:"amr,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	LastActive time.Time `json:"last_active"`
}

// ExportedConsent is what an app may do.
type ExportedConsent struct {
	ClientID    string               `json:"client_id"`
	Permissions []storage.Permission `json:"permissions"`
	GrantedAt   time.Time            `json:"granted_at"`
}

// ExportData answers with all that is kept about the person who is signed in, as a JSON file.
func (s *Service) ExportData(w http.ResponseWriter, r *http.Request) error {
	_, user, err := s.Interaction.Fresh(w, r, exportPath)
	if err != nil || user == nil {
		return err
	}
	export, err := s.export(r.Context(), user)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(export, "", "  ")
	if err != nil {
		return err
	}
	if err := s.Store.Apply(r.Context(), s.Events.Exported(r.Context(), user.ID)...); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="account.json"`)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	_, _ = w.Write(append(body, '\n')) // the browser may have gone
	return nil
}

func (s *Service) export(ctx context.Context, user *storage.User) (*Export, error) {
	e := &Export{
		ExportedAt: storage.Now(), Issuer: s.Issuer.ID, Sub: user.ID, Profile: account.Describe(user), CreatedAt: user.CreatedAt, UpdatedAt: user.UpdatedAt,
		Password: user.PasswordHash != "", Identities: []ExportedIdentity{}, Factors: []ExportedFactor{}, Sessions: []ExportedSession{},
		Consents: []ExportedConsent{}, Events: []audit.Event{},
	}
	identities, err := s.Accounts.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range identities {
		e.Identities = append(e.Identities, ExportedIdentity{l.Connector, l.Issuer, l.Subject, l.Email, l.LinkedAt})
	}
	if e.Factors, err = s.exportedFactors(ctx, user.ID); err != nil {
		return nil, err
	}
	sessions, err := s.Sessions.OfUser(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	for _, one := range sessions {
		if one.BelongsTo(user) {
			e.Sessions = append(e.Sessions, exportedSession(one))
		}
	}
	for entry, err := range storage.Consents.All(ctx, s.Store, user.ID+"/") {
		if err != nil {
			return nil, err
		}
		if grant.InForce(entry.Value) {
			e.Consents = append(e.Consents, ExportedConsent{entry.Key[len(user.ID)+1:], entry.Value.Permissions, entry.Value.GrantedAt})
		}
	}
	e.Events, err = s.ownEvents(ctx, user.ID)
	return e, err
}

func exportedSession(one *session.Session) ExportedSession {
	return ExportedSession{
		ID: one.ID, Browser: one.Device.Browser, System: one.Device.System, Address: one.Device.Address,
		AuthTime: one.AuthTime, AMR: one.AMR, CreatedAt: one.CreatedAt, LastActive: one.LastActive,
	}
}

// exportedFactors names the factors of a user.
func (s *Service) exportedFactors(ctx context.Context, userID string) ([]ExportedFactor, error) {
	factors := []ExportedFactor{}
	for entry, err := range storage.Passkeys.All(ctx, s.Store, userID+"/") {
		if err != nil {
			return nil, err
		}
		factors = append(factors, ExportedFactor{"passkey", entry.Value.Name, entry.Value.CreatedAt})
	}
	app, _, err := storage.TOTPs.Get(ctx, s.Store, userID)
	if err == nil {
		factors = append(factors, ExportedFactor{Type: "totp", CreatedAt: app.CreatedAt})
	} else if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	codes, _, err := storage.RecoveryCodeSets.Get(ctx, s.Store, userID)
	if err == nil {
		factors = append(factors, ExportedFactor{Type: "recovery_codes", CreatedAt: codes.CreatedAt})
	} else if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	return factors, nil
}

// ownEvents returns what the audit log has of what a user did, the newest first. What operators did is theirs.
func (s *Service) ownEvents(ctx context.Context, userID string) ([]audit.Event, error) {
	events := []audit.Event{}
	var position audit.Position
	for range maxLists {
		found, next, err := s.Audit.List(ctx, audit.Filter{UserID: userID}, position, maxExported-len(events))
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if e.Actor.Kind == audit.ByOperator {
				e.Actor.ID = "" // who that was is not the user's to know
			}
			events = append(events, e)
		}
		if next == (audit.Position{}) || len(events) == maxExported {
			break
		}
		position = next
	}
	return events, nil
}
