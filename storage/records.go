package storage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Every kind of record, with its key. Times are UTC; hashes are unpadded base64url SHA-256.
var (
	Users         = Kind[User]{"users"}                  // user id
	Usernames     = Kind[UserRef]{"usernames"}           // normalised username
	Emails        = Kind[UserRef]{"emails"}              // normalised e-mail address; the User says if it is verified
	Identities    = Kind[Identity]{"identities"}         // upstream issuer + " " + upstream subject
	Sessions      = Kind[Session]{"sessions"}            // session id (sid)
	Consents      = Kind[Consent]{"consents"}            // user id + "/" + client id
	Codes         = Kind[Code]{"codes"}                  // hash of the authorization code
	Grants        = Kind[Grant]{"grants"}                // grant id (gid)
	RefreshTokens = Kind[RefreshToken]{"refresh_tokens"} // hash of the refresh token
	AccessTokens  = Kind[AccessToken]{"access_tokens"}   // hash of an opaque access token
	RevokedTokens = Kind[RevokedToken]{"revoked_tokens"} // jti of an access token that ended alone
	SigningKeys   = Kind[SigningKey]{"signing_keys"}     // algorithm + "/" + number

	Clients        = Kind[Client]{"clients"}                // client id, of clients that registered themselves
	PushedRequests = Kind[PushedRequest]{"pushed_requests"} // hash of the request_uri
	DeviceCodes    = Kind[DeviceCode]{"device_codes"}       // hash of the device code
	UserCodes      = Kind[UserCode]{"user_codes"}           // normalised user code
	UserSessions   = Kind[UserSession]{"user_sessions"}     // user id + "/" + sid
	SessionEnds    = Kind[SessionEnd]{"session_ends"}       // DueKey of the sid
	Logouts        = Kind[Logout]{"logouts"}                // DueKey of the jti; before format 4, now they are Deliveries
	Marks          = Kind[Mark]{"marks"}                    // what the mark is for + "/" + hash of what happened once
	ServerSecrets  = Kind[ServerSecret]{"server_secrets"}   // what the secret is for
	Leases         = Kind[Lease]{"leases"}                  // what the work is called
	LoginFailures  = Kind[FailureCount]{"login_failures"}   // key of authz/tally: of a login as it is typed, of a user, or of what else may not happen too often

	UserGrants     = Kind[UserGrant]{"user_grants"}         // user id + "/" + gid
	ManagedClients = Kind[ManagedClient]{"managed_clients"} // client id, of clients that the operator has made while the server ran
	ClientChanges  = Kind[ClientChange]{"client_changes"}   // "managed"

	UserIdentities  = Kind[UserIdentity]{"user_identities"}    // user id + "/" + hash of the key of the identity
	TrustedNetworks = Kind[TrustedNetwork]{"trusted_networks"} // user id + "/" + hash of the network

	Revocations = Kind[Revocation]{"revocations"} // DueKey of a random value: they sort by the time of their end
	FeedStates  = Kind[FeedState]{"feed_states"}  // FeedEpochKey, FeedWindowKey, FeedClientsKey

	Proofs            = Kind[Proof]{"proofs"}                        // random, the first part of the link's token
	LiveProofs        = Kind[LiveProof]{"live_proofs"}               // user id, or hash of the address, + "/" + kind
	Passkeys          = Kind[Passkey]{"passkeys"}                    // user id + "/" + hash of the credential id
	TOTPs             = Kind[TOTP]{"totps"}                          // user id
	RecoveryCodeSets  = Kind[RecoveryCodes]{"recovery_codes"}        // user id
	RememberedDevices = Kind[RememberedDevice]{"remembered_devices"} // user id + "/" + hash of the cookie's value
	KnownDevices      = Kind[KnownDevice]{"known_devices"}           // user id + "/" + hash of the cookie's value
	DeletedUsers      = Kind[DeletedUser]{"deleted_users"}           // normalised username
	HashKinds         = Kind[HashKind]{"hash_kinds"}                 // a password hash with neither salt nor tag; or HashSurveyKey
	Deliveries        = Kind[Delivery]{"deliveries"}                 // DueKey of a random value; or FailedDeliveries + such a key

	AuditEvents  = Kind[AuditEvent]{"audit_events"}   // id of the event, a UUIDv7: they sort by time
	AuditBlocks  = Kind[AuditBlock]{"audit_blocks"}   // number, of 20 digits
	AuditHeads   = Kind[AuditHead]{"audit_heads"}     // "head"; there is one
	SecretOrders = Kind[SecretOrder]{"secret_orders"} // "secrets"
	Formats      = Kind[Format]{"formats"}            // FormatKey; see format.go
	Transfers    = Kind[Transfer]{"transfers"}        // TransferKey
	KeptHeads    = Kind[AuditHead](Formats)           // KeptHeadKey

	// Of cookie mode and the gates, whose store is separate from the server's.
	BFFSessions  = Kind[BFFSession]{"bff_sessions"}   // hash of the value of the session cookie
	BFFRefs      = Kind[BFFRef]{"bff_refs"}           // BFFRefKey: lets the sessions of a user or of a sid be found
	BFFTickets   = Kind[BFFTicket]{"bff_tickets"}     // hash of the WebSocket ticket
	BFFHandovers = Kind[BFFHandover]{"bff_handovers"} // hash of the code that hands a session over to another host
)

// Tables lists all of them, for engines that must create them beforehand.
var Tables = []Table{
	Users.Table, Usernames.Table, Emails.Table, Identities.Table, Sessions.Table, Consents.Table,
	Codes.Table, Grants.Table, RefreshTokens.Table, AccessTokens.Table, RevokedTokens.Table,
	SigningKeys.Table, Clients.Table, PushedRequests.Table, DeviceCodes.Table, UserCodes.Table,
	UserSessions.Table, SessionEnds.Table, Logouts.Table, Marks.Table, ServerSecrets.Table, Leases.Table,
	LoginFailures.Table,
	UserGrants.Table, ManagedClients.Table, ClientChanges.Table,
	UserIdentities.Table, TrustedNetworks.Table, Revocations.Table, FeedStates.Table,
	Proofs.Table, LiveProofs.Table, Passkeys.Table, TOTPs.Table, RecoveryCodeSets.Table, RememberedDevices.Table,
	KnownDevices.Table, DeletedUsers.Table, HashKinds.Table, Deliveries.Table,
	AuditEvents.Table, AuditBlocks.Table, AuditHeads.Table,
	SecretOrders.Table, Formats.Table, Transfers.Table,
	BFFSessions.Table, BFFRefs.Table, BFFTickets.Table, BFFHandovers.Table,
}

const dueLayout = "2006-01-02T15:04:05.000Z"

// DueKey is the key of a record that is due at a time. Such keys sort by time, to the millisecond.
func DueKey(due time.Time, id string) string { return due.UTC().Format(dueLayout) + "/" + id }

// DueTime is the time in a DueKey.
func DueTime(key string) (time.Time, error) {
	due, _, _ := strings.Cut(key, "/")
	return time.Parse(dueLayout, due)
}

// User is a local account. Profile members have the names of OpenID Connect Core section 5.1.
type User struct {
	ID           string `json:"id"`
	Username     string `json:"username"`
	PasswordHash string `json:"password_hash,omitempty"` // PHC string; empty: no password login
	// PastHashes are hashes of the password hashes that an operator set, the newest last. They do not include
	// a hash that replaced another at a login.
	PastHashes []string `json:"past_hashes,omitempty"`
	// PasswordEndedAt is when the password was ended after too many wrong ones, so that there is none. Zero: it was not.
	PasswordEndedAt time.Time `json:"password_ended_at,omitzero"`
	Disabled        bool      `json:"disabled,omitempty"`
	Epoch           int       `json:"epoch,omitempty"` // raised to end every session and every grant at once
	// FactorEpoch is raised when a factor or a passkey is added, replaced or removed. It ends remembered devices and
	// sign-ins under way.
	FactorEpoch int `json:"factor_epoch,omitempty"`
	// NotBefore is the last second, since 1970, in which their tokens were ended. A token that counts has a later iat.
	NotBefore int64   `json:"not_before,omitempty"`
	Profile   Profile `json:"profile"`
	// EmailFrom is the source of the address: the key of an identity, EmailByOperator or EmailByUser. Empty: there
	// is no address, or its source is unknown.
	EmailFrom string   `json:"email_from,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Groups    []string `json:"groups,omitempty"`

	PasskeysDeclined bool `json:"passkeys_declined,omitempty"` // they asked not to be offered a passkey again

	// IdentityChanges are the latest ones. The user sees them, and a link after an unlink needs more proof.
	IdentityChanges []IdentityChange `json:"identity_changes,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// IdentityChange is an upstream identity that a user got or lost.
type IdentityChange struct {
	At         time.Time `json:"at"`
	Connector  string    `json:"connector"`
	Linked     bool      `json:"linked,omitempty"` // otherwise it was unlinked
	ByOperator bool      `json:"by_operator,omitempty"`
}

// The values of a User's EmailFrom that are not the key of an identity.
const (
	EmailByOperator = "operator" // an operator has set the address
	EmailByUser     = "user"     // the user has proved it
)

// Profile holds the standard claims of a user (OpenID Connect Core section 5.1).
type Profile struct {
	Name                string   `json:"name,omitempty"`
	GivenName           string   `json:"given_name,omitempty"`
	FamilyName          string   `json:"family_name,omitempty"`
	MiddleName          string   `json:"middle_name,omitempty"`
	Nickname            string   `json:"nickname,omitempty"`
	PreferredUsername   string   `json:"preferred_username,omitempty"`
	Profile             string   `json:"profile,omitempty"`
	Picture             string   `json:"picture,omitempty"`
	Website             string   `json:"website,omitempty"`
	Email               string   `json:"email,omitempty"`
	EmailVerified       bool     `json:"email_verified,omitempty"`
	Gender              string   `json:"gender,omitempty"`
	Birthdate           string   `json:"birthdate,omitempty"`
	Zoneinfo            string   `json:"zoneinfo,omitempty"`
	Locale              string   `json:"locale,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"`
	PhoneNumberVerified bool     `json:"phone_number_verified,omitempty"`
	Address             *Address `json:"address,omitempty"`
}

// Address is the address claim (OpenID Connect Core section 5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// UserRef points from a unique name to its user.
type UserRef struct {
	UserID string `json:"user_id"`
}

// Identity links an upstream identity to a user. Only (issuer, subject) identify it.
type Identity struct {
	UserID    string    `json:"user_id"`
	Connector string    `json:"connector"`
	Email     string    `json:"email,omitempty"` // as last seen, for display only
	LinkedAt  time.Time `json:"linked_at"`
}

// UserIdentity lets an identity be found by its user.
type UserIdentity struct {
	Identity string `json:"identity"` // its key
}

// UserIdentityPut is the write that lets an identity be found by its user.
func UserIdentityPut(userID, identity string, cond Condition) Write {
	return UserIdentities.Put(UserIdentityKey(userID, identity), &UserIdentity{Identity: identity}, cond, time.Time{})
}

// UserIdentityKey hashes the key of the identity, because both parts together could be too long for a key.
func UserIdentityKey(userID, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return userID + "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// TrustedNetwork is a network from which a user has signed in lately. It expires when the trust ends.
type TrustedNetwork struct {
	SeenAt time.Time `json:"seen_at"` // about when the last sign-in was
}

// Session is a browser's login. The cookie holds its id and a secret that is new at every login.
type Session struct {
	UserID     string    `json:"user_id"`
	UserEpoch  int       `json:"user_epoch,omitempty"`
	SecretHash string    `json:"secret_hash"`
	AuthTime   time.Time `json:"auth_time"`
	// Unproven: AuthTime is the time when the user came from a connector that does not prove when they signed
	// in there.
	Unproven    bool      `json:"auth_time_unproven,omitempty"`
	AMR         []string  `json:"amr,omitempty"`
	ACR         string    `json:"acr,omitempty"`
	Level       int       `json:"level,omitempty"`        // how strongly the user has proved who they are: a factor.Level; 0: by one factor
	DeviceKnown bool      `json:"device_known,omitempty"` // a remembered device stood in for the second factor of the account
	Connector   string    `json:"connector,omitempty"`    // empty: password
	Remember    bool      `json:"remember,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	LastActive  time.Time `json:"last_active"`
	Device      Device    `json:"device,omitzero"`   // of the last sign-in
	Clients     []string  `json:"clients,omitempty"` // ids of those that got a code in it and want to hear of its end
}

// Device is the browser in which somebody signs in, as it describes itself. Each member may be empty.
type Device struct {
	Browser string `json:"browser,omitempty"` // Chrome, Safari, …
	System  string `json:"system,omitempty"`  // Windows, iPhone, …
	Address string `json:"address,omitempty"` // IP address
}

// UserSession lets the sessions of a user be found. It may outlive its session.
type UserSession struct{}

// SessionEnd is due when a session should have ended by itself, because the session may have clients that
// must be told.
type SessionEnd struct{}

// Consent is what a user has allowed a client to do, remembered.
type Consent struct {
	Permissions []Permission `json:"permissions"`
	Hosts       []string     `json:"hosts,omitempty"`       // destinations of the answer that the page named, for clients that the operator has not named
	GrantedAt   time.Time    `json:"granted_at,omitzero"`   // of the first consent since the withdrawal; zero: nothing is allowed
	Withdrawals int          `json:"withdrawals,omitempty"` // how many; grants from before the last are void
}

// Permission is one line of a consent page. The same scope at another resource is another Permission.
type Permission struct {
	Scope    string `json:"scope"`
	Resource string `json:"resource,omitempty"` // empty: of this server itself
}

// Authorization is what the resource owner granted: shared by a code and the grant that it becomes.
type Authorization struct {
	ClientID      string    `json:"client_id"`
	UserID        string    `json:"user_id"`
	UserEpoch     int       `json:"user_epoch,omitempty"`  // of the user at that time; void once the user has a later one
	Withdrawals   int       `json:"withdrawals,omitempty"` // of the consent at that time; void after another withdrawal
	SessionID     string    `json:"sid,omitempty"`
	Scopes        []string  `json:"scopes"`
	Resources     []string  `json:"resources,omitempty"` // RFC 8707: what may be asked for
	AuthTime      time.Time `json:"auth_time"`
	ACR           string    `json:"acr,omitempty"`
	AMR           []string  `json:"amr,omitempty"`
	IDTokenClaims []string  `json:"id_token_claims,omitempty"` // asked for by the claims parameter
	UserInfo      []string  `json:"userinfo_claims,omitempty"` // asked for by the claims parameter
	AuthTimeAsked bool      `json:"auth_time_asked,omitempty"` // by max_age or the claims parameter

	AuthorizationDetails json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396: an array, as granted
}

// Confirmation is the key that a token is bound to (RFC 7800 section 3). The sender of such a token must
// prove that they hold the key. The zero Confirmation binds nothing.
type Confirmation struct {
	JKT string `json:"jkt,omitempty"`      // RFC 9449 section 6.1: SHA-256 thumbprint of a DPoP key
	X5T string `json:"x5t#S256,omitempty"` // RFC 8705 section 3.1: SHA-256 of a client certificate
}

// Code is an authorization code (RFC 6749 section 4.1.2). It stays after its use, so that a second use is
// noticed.
type Code struct {
	Authorization
	GrantID       string    `json:"gid"`
	RedirectURI   string    `json:"redirect_uri,omitempty"` // as sent; empty: it was omitted
	CodeChallenge string    `json:"code_challenge,omitempty"`
	Nonce         string    `json:"nonce,omitempty"`
	DPoPJKT       string    `json:"dpop_jkt,omitempty"` // RFC 9449 section 10: only this key may redeem it
	CreatedAt     time.Time `json:"created_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	Used          bool      `json:"used,omitempty"`
}

// Grant is one token family: every access and refresh token that came from one code. Revoking it
// ends them all.
type Grant struct {
	Authorization
	Offline bool   `json:"offline,omitempty"` // offline_access: outlives the browser session
	Issuer  string `json:"issuer,omitempty"`  // RFC 7523: whose assertion replaces the user's consent; empty: the user gave it
	// Confirmation binds the refresh tokens. It is zero if the client authenticates at each refresh.
	Confirmation Confirmation `json:"cnf,omitzero"`
	CreatedAt    time.Time    `json:"created_at"`
	ExpiresAt    time.Time    `json:"expires_at"` // absolute: no refresh after it
	RevokedAt    *time.Time   `json:"revoked_at,omitempty"`
}

// RefreshToken is one link of a family's chain.
type RefreshToken struct {
	GrantID   string     `json:"gid"`
	RenewedAt time.Time  `json:"renewed_at"` // when its expiry was last moved
	UsedAt    *time.Time `json:"used_at,omitempty"`
	Next      string     `json:"next,omitempty"` // hash of the successor, once used
	Salt      []byte     `json:"salt,omitempty"` // part of the derivation of the successor; empty: derived by format 1
}

// AccessToken is an opaque access token, for resources that ask for them.
type AccessToken struct {
	Claims json.RawMessage `json:"claims"` // the members that a JWT would have carried
}

// RevokedToken marks an access token that was revoked alone, until it expires. Such a token has no grant
// (client credentials), or the grant of another client (token exchange).
type RevokedToken struct{}

// Revocation says that tokens end before they expire. It is written in the Apply that ends them, and stays as long as
// any of them may live.
type Revocation struct {
	Cause  string `json:"cause"`             // the type of the audit event of this end
	Kind   string `json:"kind"`              // one of RevokedGrant, …
	ID     string `json:"id,omitempty"`      // of what has ended
	UserID string `json:"user_id,omitempty"` // whose tokens end; empty: unknown, or of many users
	// Before limits the end to tokens whose iat, in seconds since 1970, is not later. 0: all tokens end.
	Before int64 `json:"before,omitempty"`
}

// The values of Revocation.Kind, and what ID is then.
const (
	RevokedGrant   = "grant"   // gid
	RevokedSession = "session" // sid
	RevokedUser    = "user"    // user id: all tokens of the user
	RevokedJTI     = "token"   // jti
	RevokedClient  = "client"  // client id: all tokens of the client
	RevokedConsent = "consent" // client id: all grants of the user and the client
	RevokedAll     = "all"     // empty: all tokens of the server
)

// The keys of FeedStates.
const (
	FeedEpochKey   = "epoch"
	FeedWindowKey  = "window"
	FeedClientsKey = "clients"
)

// FeedState is what the replicas share about the revocation feed.
type FeedState struct {
	Epoch  string `json:"epoch,omitempty"`  // a random value; another one once records may have been forgotten, so copies of a store lack it
	Window int    `json:"window,omitempty"` // seconds that an entry stays: the longest that was ever needed
	// Clients are the ids of the configuration's clients at the last start. Tokens of one that has gone are ended.
	Clients []string `json:"clients,omitempty"`
}

// UserGrant lets the grants of a user be found. It may outlive its grant.
type UserGrant struct{}

// SigningKey is one key of the ring; its private half is sealed.
type SigningKey struct {
	Alg       string    `json:"alg"`
	Public    []byte    `json:"public"` // JWK
	Sealed    []byte    `json:"sealed"` // JWK with the private members
	CreatedAt time.Time `json:"created_at"`
	SignFrom  time.Time `json:"sign_from"`
}

// Client is a client that registered itself (RFC 7591).
type Client struct {
	Metadata   json.RawMessage `json:"metadata"` // RFC 7591 section 2, without the secrets
	SecretHash string          `json:"secret_hash,omitempty"`
	TokenHash  string          `json:"token_hash"` // of the registration access token
	CreatedAt  time.Time       `json:"created_at"`
	UsedAt     time.Time       `json:"used_at,omitzero"` // about when it last got a token
}

// ManagedClient is a client that the operator has made through the admin API.
type ManagedClient struct {
	Metadata  json.RawMessage `json:"metadata"` // as the operator gave it; missing members get their defaults when it is used
	Secrets   []ClientSecret  `json:"secrets,omitempty"`
	Needs     ClientNeeds     `json:"needs"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Since     time.Time       `json:"since,omitzero"` // another client had this id before; older grants belong to that one
}

// ClientSecret is one of the secrets of a client.
type ClientSecret struct {
	Hash      string    `json:"hash"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// ClientNeeds is what the server must have or allow for a client. It is computed when the client is written.
type ClientNeeds struct {
	Algs          []string `json:"algs,omitempty"` // that sign its tokens
	GrantTypes    []string `json:"grant_types,omitempty"`
	Origins       []string `json:"origins,omitempty"`         // that may call from a browser
	Token         int      `json:"token,omitempty"`           // seconds: the longest life of a token that is signed for it
	RefreshToken  int      `json:"refresh_token,omitempty"`   // seconds: the longest life of a grant
	RefreshGrace  int      `json:"refresh_grace,omitempty"`   // seconds in which a refresh may be retried; 0: unknown
	OnAccountPage bool     `json:"on_account_page,omitempty"` // users can open it from there
}

// ClientChange is written with every change of a managed client. Its version tells a reader of all clients
// whether the list is still complete.
type ClientChange struct{}

// PushedRequest is an authorization request that was pushed (RFC 9126). It is deleted when its client gets an
// answer, and a Mark remembers that.
type PushedRequest struct {
	ClientID  string    `json:"client_id"`
	Params    string    `json:"params"`     // form-encoded, as checked; of a signed request, the signed ones
	ExpiresAt time.Time `json:"expires_at"` // the authorization must begin before
}

// The values of DeviceCode.Status.
const (
	DevicePending  = "pending"
	DeviceApproved = "approved"
	DeviceDenied   = "denied"
	DeviceUsed     = "used"
)

// DeviceCode is one device authorization (RFC 8628).
type DeviceCode struct {
	Authorization           // only the client until somebody has approved
	Params        string    `json:"params"` // of the device's request, form-encoded, as checked
	UserCode      string    `json:"user_code"`
	GrantID       string    `json:"gid"`
	Status        string    `json:"status"`   // DevicePending, …
	Interval      int       `json:"interval"` // seconds between two polls
	PolledAt      time.Time `json:"polled_at,omitzero"`
	CreatedAt     time.Time `json:"created_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	DecidedAt     time.Time `json:"decided_at,omitzero"` // by the user, who is then known
}

// UserCode points from the code that a person types to its device.
type UserCode struct {
	DeviceCode string `json:"device_code"` // hash
}

// Mark says that something that may happen once has happened, such as the use of a jti. It expires when a
// second attempt would be refused for another reason.
type Mark struct{}

// SecretOrder lists the server secrets that have been the current one, the newest last. A record that is
// sealed under an earlier one is sealed again under the newest.
type SecretOrder struct {
	Secrets []SecretSince `json:"secrets"`
}

// SecretSince is a server secret, by its id, and the time when it became the current one.
type SecretSince struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
}

// ServerSecret is a random value that all replicas share and that must never change; sealed.
type ServerSecret struct {
	Sealed []byte `json:"sealed"`
}

// Lease names the replica that does work that only one may do. It is renewed while the work goes on, and
// deleted at its end. It has no time, because the clocks of replicas may differ.
type Lease struct {
	Holder string `json:"holder"` // a random value, unique to the holder
}

// FailureCount is a leaky bucket of what may not happen too often: wrong passwords for one login, with or without a
// user, or for one user under all their names, mails to an address, and others; see authz/tally.
type FailureCount struct {
	DrainedAt  time.Time `json:"drained_at,omitzero"`
	UnlockedAt time.Time `json:"unlocked_at,omitzero"` // by an operator; replicas forget what they counted before

	// Of a user's password: wrong ones since the last right one, and a hash of the hash that they were compared with.
	InRow int    `json:"in_row,omitempty"`
	Of    string `json:"of,omitempty"`
}

// AuditEvent is an event of the audit log that waits to be sealed into a block. It was written in the Apply
// of its change.
type AuditEvent struct {
	Line string `json:"line"` // the event as JSON, which never changes
	MAC  []byte `json:"mac"`  // proves to the sealer that the server wrote it
}

// AuditSeal seals some events together, and to all earlier blocks.
type AuditSeal struct {
	Number int       `json:"number"` // from 1, without a gap
	Sealed time.Time `json:"sealed"` // never before the time of the block before it
	Before string    `json:"before"` // hash of that block; empty: this is the first
	Count  int       `json:"count"`  // events
	Hash   string    `json:"hash"`   // of all of the above and of the events
	MAC    []byte    `json:"mac"`    // of the hash; it needs the server secret
}

// AuditBlock is a link of the audit log's chain.
type AuditBlock struct {
	AuditSeal
	Events []byte `json:"events"` // a line of JSON each, compressed by DEFLATE (RFC 1951)
}

// AuditHead says which blocks exist. Blocks that are older than the log is kept are dropped from the
// beginning.
type AuditHead struct {
	First  int       `json:"first"`
	Last   int       `json:"last"`
	Hash   string    `json:"hash"`   // of the last block
	Sealed time.Time `json:"sealed"` // when the last block was sealed
	MAC    []byte    `json:"mac"`    // of all of the above
}

// KeptHeadKey is the only key of KeptHeads: a copy of the audit log's head, so that nobody can empty the log
// unnoticed. It is in the table of the Format, because a separate table could be emptied together with the
// log's: a store with records and without a Format is not served. A store of an earlier authzd lacks it.
const KeptHeadKey = "audit_head"

// TransferKey is the only key of Transfers.
const TransferKey = "into"

// Transfer says that a store is being filled with the records of another, and how far that has come. While it
// exists, the store is incomplete and must not be served.
type Transfer struct {
	Source  string    `json:"source"`          // SHA-256 of the whole source, hexadecimal
	At      time.Time `json:"at"`              // records that had expired by then are left out
	Table   Table     `json:"table,omitempty"` // of the last record that has arrived
	Key     []byte    `json:"key,omitempty"`   // of the last record that has arrived
	Records int       `json:"records"`         // that have arrived
}
