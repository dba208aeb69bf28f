//go:build !linux

package bolt

// lockHolder returns 0: this system does not tell who has locked a file.
func lockHolder(string) int { return 0 }

// trim does nothing: this system does not tell how much of the map is in memory.
func (g *guarded) trim() {}
