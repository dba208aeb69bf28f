package events

import (
	"context"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/storage"
)

// FactorAdded records that a user has set up a factor, or has new recovery codes.
func (rec *Recorder) FactorAdded(ctx context.Context, userID, what string) []storage.Write {
	return rec.factor(ctx, audit.FactorAdded, userID, what)
}

// FactorRemoved records that a user has removed a factor.
func (rec *Recorder) FactorRemoved(ctx context.Context, userID, what string) []storage.Write {
	return rec.factor(ctx, audit.FactorRemoved, userID, what)
}

// DevicesForgotten records that a user wants to be asked for the second factor on all devices again.
func (rec *Recorder) DevicesForgotten(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.DevicesForgotten, Outcome: audit.Success, Actor: byUser(userID), UserID: userID})
}

// FactorUsed records that a user has used a code, or that wrong ones have ended the factor.
func (rec *Recorder) FactorUsed(ctx context.Context, h factor.Happening) []storage.Write {
	if h.Locked {
		return rec.put(ctx, audit.Event{
			Type: audit.FactorLocked, Outcome: audit.Alarm, Actor: audit.Actor{Kind: audit.Anonymous},
			UserID: h.User.ID, Details: map[string]string{"factor": h.Factor},
		})
	}
	return rec.factor(ctx, audit.FactorUsed, h.User.ID, h.Factor)
}

func (rec *Recorder) factor(ctx context.Context, what audit.Type, userID, name string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: what, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, Details: map[string]string{"factor": name}})
}
