// Package revocation is the language of the revocation feed: the document that an issuer publishes, so that APIs
// which check tokens offline stop honouring the ones that have ended.
//
//	issuer    Document -> Claims -> sign           authz/feed does that
//	API       compact JWS -> Open -> Document -> List.Merge
//	          each token  -> List.Ended            no network, no allocation
//	          next request: ?after= List.Cursor()
//
// A document names what has ended by hashes only, in five kinds: a grant (gid), a session (sid), a subject (sub), a
// token (jti), a client (client_id). It is complete, or it continues from a cursor.
//
//	id.go        Kind, ID, Hash          cursor.go     a place in the feed
//	document.go  Document, Parse         open.go       the signature
//	list.go      what a follower knows
//
// testdata/vectors.json has test vectors that a program in any language can run. This package has no clock and
// no lock, and calls nobody: its callers do that.
package revocation
