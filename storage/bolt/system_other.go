//go:build !linux

package bolt

import "go.etcd.io/bbolt"

// lockHolder returns 0: this system does not name the process that has locked a file.
func lockHolder(string) int { return 0 }

// mapLimit and mappedBytes: this system does not report how much of the map is in memory.
const mapLimit = 0

func mappedBytes() int { return 0 }

// trim does nothing on such a system.
func (g *guarded) trim() {}

func unmapPages(*bbolt.Tx) {}

// freeBytes: this system does not report how full a disk is.
func freeBytes(string) (free uint64, ok bool) { return 0, false }
