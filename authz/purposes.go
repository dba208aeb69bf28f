package authz

// Purposes keep keys that are derived from the server secret apart.
const (
	purposeRefresh      = "refresh token successor"
	purposePage         = "page token of the admin API"
	purposeFlow         = "pending authorization"
	purposeConnect      = "upstream login"
	purposeNonce        = "nonce of DPoP proofs"
	purposeSubject      = "pairwise subject" // names the record of storage.ServerSecrets
	purposeClientSecret = "client secret"    // likewise
	purposeAudit        = "audit log"        // likewise
)

// What one replica does for all is under a lease of this name.
const (
	leaseAudit  = "audit log" // sealing it
	leaseBackup = "backup"    // making backups
)
