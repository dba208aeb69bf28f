//go:build !linux

package bolt

import "go.etcd.io/bbolt"

// lockHolder returns 0: this system does not tell who has locked a file.
func lockHolder(string) int { return 0 }

// mapLimit and mappedBytes: this system does not tell how much of the map is in memory.
const mapLimit = 0

func mappedBytes() int { return 0 }

// trim does nothing, then.
func (g *guarded) trim() {}

func unmapPages(*bbolt.Tx) {}

// freeBytes: this system does not tell how full a disk is.
func freeBytes(string) (free uint64, ok bool) { return 0, false }
