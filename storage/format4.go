package storage

import "encoding/json"

// toFormat4 lets logout tokens wait among all other deliveries. It also keeps away an authzd that knows no second
// factors: it would let people in by the password alone.
var toFormat4 = Step{
	{Logouts.Table, toDelivery},
}

// toDelivery moves a logout token that waits. It keeps its key: the time when it is due, and its jti. A damaged record
// is deleted, as the outbox did: it can tell nobody anything.
func toDelivery(rec Record) ([]Write, error) {
	var l struct {
		Logout
		Attempts int `json:"attempts"`
	}
	if err := json.Unmarshal(rec.Value, &l); err != nil {
		return []Write{Logouts.Delete(rec.Key, At(rec.Version))}, nil
	}
	return []Write{
		Logouts.Delete(rec.Key, At(rec.Version)),
		Deliveries.Put(rec.Key, &Delivery{QueuedAt: l.EndedAt, Attempts: l.Attempts, Logout: &l.Logout}, Any, rec.Expires),
	}, nil
}
