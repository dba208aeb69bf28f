package authz

// Purposes of keys that are derived from the server secret. Each gives another key.
const (
	purposeRefresh      = "refresh token successor"
	purposePage         = "page token of the admin API"
	purposeFlow         = "pending authorization"
	purposeConnect      = "upstream login"
	purposePasskey      = "passkey ceremony"
	purposeHalf         = "sign-in that waits for a factor"
	purposeNotMe        = "link of a mail about a new device"
	purposeRecovery     = "recovery codes" // names a record of storage.ServerSecrets
	purposeNonce        = "nonce of DPoP proofs"
	purposeCode         = "code of a mail"
	purposeSubject      = "pairwise subject" // names the record of storage.ServerSecrets
	purposeClientSecret = "client secret"    // names another
	purposeAudit        = "audit log"        // names another
)
