package storage

import "encoding/json"

// toFormat2 lets a user's identities be found.
var toFormat2 = Step{
	{Identities.Table, findByUser},
}

// findByUser makes the UserIdentity of an identity.
func findByUser(rec Record) ([]Write, error) {
	var id Identity
	if err := json.Unmarshal(rec.Value, &id); err != nil {
		return nil, err
	}
	return []Write{UserIdentityPut(id.UserID, rec.Key, Any)}, nil
}
