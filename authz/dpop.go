package authz

// Tokens that are bound to a key of the client (RFC 9449):
//
//	/authorize  dpop_jkt ────────────────┐
//	/par        dpop_jkt, or a proof ────┴> code: only this key may redeem it (section 10)
//	/token      proof ─> exchange.confirmation ─> cnf of the access token (section 5)
//	                                          └─> grant, of a public client: each refresh needs this key
//	/userinfo, /session  scheme DPoP: proof of the key in cnf ─> CheckSender (section 7)

// DPoP says how proofs of possession are checked.
type DPoP struct {
	// RequireNonce makes clients put a nonce of the server into their proofs (RFC 9449 section 8): they
	// are told by use_dpop_nonce. A proof can then not be made for later, and the clocks of the clients
	// do not matter.
	RequireNonce bool
}
