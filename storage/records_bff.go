package storage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// The records of cookie mode and the gates.

// BFFSession is a browser's session with an app in cookie mode, or with a gate. It expires at its idle limit, and
// at its absolute limit at the latest.
type BFFSession struct {
	Frontend string          `json:"frontend"`
	ClientID string          `json:"client_id"`
	Subject  string          `json:"sub"`
	SID      string          `json:"sid,omitempty"` // of the provider's session
	GrantID  string          `json:"gid,omitempty"` // of the provider's grant
	ACR      string          `json:"acr,omitempty"`
	AMR      []string        `json:"amr,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
	Groups   []string        `json:"groups,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"` // about the user, such as name and email
	AuthTime time.Time       `json:"auth_time,omitzero"`

	CreatedAt time.Time `json:"created_at"`
	ActiveAt  time.Time `json:"active_at"` // of the sign-in or the last activity, whichever is later
	TokensAt  time.Time `json:"tokens_at"` // when the newest tokens were issued, by the provider's clock

	// Doubted: the store is a copy, in which the session may live although it has ended since. Its tokens must be refreshed
	// before it is used.
	Doubted bool `json:"doubted,omitempty"`

	// Parent is the session of another host that this one was handed over from: it ends with that one, and has
	// no tokens. Empty: there is none.
	Parent string `json:"parent,omitempty"`
	Host   string `json:"host,omitempty"` // that a session with a Parent is for

	Sealed []byte `json:"sealed,omitempty"` // the tokens; in a store, always
}

// BFFRef lets a session be found. It may outlive its session.
type BFFRef struct{}

// What a BFFRef finds sessions by.
const (
	BFFBySID     = "sid"
	BFFBySubject = "sub"
	BFFByParent  = "parent"
)

// BFFRefKey is the key of the reference from a value, such as a sid, to a session of a client. With an empty
// session it is the prefix of the references to all sessions of that value.
func BFFRefKey(by, clientID, value, session string) string {
	sum := sha256.Sum256([]byte(clientID + "\x00" + value))
	return by + "/" + base64.RawURLEncoding.EncodeToString(sum[:]) + "/" + session
}

// BFFTicket lets one WebSocket be opened. It is deleted when it is used.
type BFFTicket struct {
	Session string `json:"session"` // key of the session
	URL     string `json:"url"`     // path and query that it is for
	Origin  string `json:"origin"`  // of the page that asked for it
}

// BFFHandover is a session on its way from the gate's host to another host. It is deleted when it is used.
type BFFHandover struct {
	Session string `json:"session"` // key of the session that is handed over
	Host    string `json:"host"`    // that it is for
	Browser string `json:"browser"` // hash of the transaction cookie that the host has set before
}
