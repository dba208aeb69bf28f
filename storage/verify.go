package storage

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"unicode/utf8"
)

// RecordError says that a record does not match its kind.
type RecordError struct {
	Table Table
	Key   string
	Err   error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %.80q of %s is damaged: %v", e.Key, e.Table, e.Err)
}
func (e *RecordError) Unwrap() error { return e.Err }

// CheckRecord returns a *RecordError unless the record can be decoded and belongs to its key. It reads
// nothing else.
func CheckRecord(table Table, rec Record) error {
	check, ok := recordChecks[table]
	if !ok {
		return fmt.Errorf("unknown table %q", table)
	}
	if err := check(rec); err != nil {
		return &RecordError{table, rec.Key, err}
	}
	return nil
}

// recordChecks has every kind.
var recordChecks = map[Table]func(Record) error{
	Users.Table:           keyed(Users, func(v *User) string { return v.ID }),
	Usernames.Table:       decodes(Usernames),
	Emails.Table:          decodes(Emails),
	Identities.Table:      decodes(Identities),
	Sessions.Table:        decodes(Sessions),
	Consents.Table:        decodes(Consents),
	Codes.Table:           decodes(Codes),
	Grants.Table:          decodes(Grants),
	RefreshTokens.Table:   decodes(RefreshTokens),
	AccessTokens.Table:    decodes(AccessTokens),
	RevokedTokens.Table:   decodes(RevokedTokens),
	SigningKeys.Table:     decodes(SigningKeys),
	Clients.Table:         decodes(Clients),
	PushedRequests.Table:  decodes(PushedRequests),
	DeviceCodes.Table:     decodes(DeviceCodes),
	UserCodes.Table:       decodes(UserCodes),
	UserSessions.Table:    decodes(UserSessions),
	SessionEnds.Table:     decodes(SessionEnds),
	Logouts.Table:         decodes(Logouts),
	Marks.Table:           decodes(Marks),
	ServerSecrets.Table:   decodes(ServerSecrets),
	Leases.Table:          decodes(Leases),
	LoginFailures.Table:   decodes(LoginFailures),
	UserGrants.Table:      decodes(UserGrants),
	ManagedClients.Table:  decodes(ManagedClients),
	ClientChanges.Table:   decodes(ClientChanges),
	UserIdentities.Table:  decodes(UserIdentities),
	TrustedNetworks.Table: decodes(TrustedNetworks),
	Revocations.Table:     decodes(Revocations),
	FeedStates.Table:      decodes(FeedStates),

	Proofs.Table:            decodes(Proofs),
	LiveProofs.Table:        decodes(LiveProofs),
	Passkeys.Table:          decodes(Passkeys),
	TOTPs.Table:             decodes(TOTPs),
	RecoveryCodeSets.Table:  decodes(RecoveryCodeSets),
	RememberedDevices.Table: decodes(RememberedDevices),
	KnownDevices.Table:      decodes(KnownDevices),
	DeletedUsers.Table:      decodes(DeletedUsers),
	HashKinds.Table:         decodes(HashKinds),
	Deliveries.Table:        decodes(Deliveries),
	AuditEvents.Table:       decodes(AuditEvents),
	AuditBlocks.Table:       decodes(AuditBlocks),
	AuditHeads.Table:        decodes(AuditHeads),
	SecretOrders.Table:      decodes(SecretOrders),
	Formats.Table:           checkFormats,
	Transfers.Table:         decodes(Transfers),
	BFFSessions.Table:       decodes(BFFSessions),
	BFFRefs.Table:           decodes(BFFRefs),
	BFFTickets.Table:        decodes(BFFTickets),
	BFFHandovers.Table:      decodes(BFFHandovers),
}

// decodes checks that a value is one of a kind.
func decodes[T any](k Kind[T]) func(Record) error {
	return func(rec Record) error {
		_, err := k.strict(rec)
		return err
	}
}

// checkFormats checks a record of the table that two kinds share.
func checkFormats(rec Record) error {
	if rec.Key == KeptHeadKey {
		return decodes(KeptHeads)(rec)
	}
	return decodes(Formats)(rec)
}

// keyed also checks that the value has the key in it.
func keyed[T any](k Kind[T], key func(*T) string) func(Record) error {
	return func(rec Record) error {
		v, err := k.strict(rec)
		if err == nil && key(v) != rec.Key {
			err = fmt.Errorf("it is that of %.80q", key(v))
		}
		return err
	}
}

// strict decodes a value that an authzd has encoded, and refuses unknown members.
func (k Kind[T]) strict(rec Record) (*T, error) {
	if !utf8.Valid(rec.Value) { // encoding/json would replace it
		return nil, fmt.Errorf("no UTF-8 text")
	}
	v := new(T)
	return v, json.Unmarshal(rec.Value, v)
}

// A Checker checks all records of a store in the order of Store.Export: each record alone, and that each
// pointer to a user leads to one.
type Checker struct {
	seed  maphash.Seed
	users map[uint64]struct{} // hashes of their ids
}

// NewChecker returns a Checker without any records yet.
func NewChecker() *Checker {
	return &Checker{maphash.MakeSeed(), make(map[uint64]struct{})}
}

// Check returns the problem of the next record, or nil.
func (c *Checker) Check(table Table, rec Record) error {
	if err := CheckRecord(table, rec); err != nil {
		return err
	}
	var user string
	switch table {
	case Users.Table:
		c.users[maphash.String(c.seed, rec.Key)] = struct{}{}
		return nil
	case Usernames.Table, Emails.Table, Identities.Table:
		var ref UserRef // an Identity has the same member
		if err := json.Unmarshal(rec.Value, &ref); err != nil {
			return &RecordError{table, rec.Key, err}
		}
		user = ref.UserID
	default:
		return nil
	}
	if _, ok := c.users[maphash.String(c.seed, user)]; !ok {
		return &RecordError{table, rec.Key, fmt.Errorf("its user %.80q is missing", user)}
	}
	return nil
}
