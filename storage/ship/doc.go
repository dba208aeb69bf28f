// Package ship keeps a copy of a bolt store in another place, a second behind, and restores it.
//
//	primary    committer ─> spool (files beside the database) ─> Shipper ─> Destination
//	restore    Destination ─> Restore, up to a moment ─> a new database file
//	standby    Destination ─> Follower ─> its own database ─ Promote ─> the new primary
//
// A Destination is a directory or an S3-compatible bucket. Nothing in it is ever overwritten. Each object has
// a name that only one writer can take, so two primaries can't both ship.
//
//	epochs/0000000001                          who may ship: the newest names the only primary
//	generations/0000000001/claim               who began it, and when
//	generations/0000000001/base/0000000001     a copy of the database, in parts
//	generations/0000000001/manifest            the hashes of the parts: from now on the base is whole
//	generations/0000000001/segments/0000000001 the groups committed since, each segment with the hash
//	                                           of the object before it
//
// Claims, manifests and segments carry a code that needs the server's secret: see secret.go.
//
// A new generation, with a new base, begins once a day, after a power cut, and after the spool was too small
// for what the Destination did not take.
//
// No request waits for this: a group costs an append to a file that is not synced.
package ship
