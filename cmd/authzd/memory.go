package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// gcPercent is how much may be allocated between two garbage collections, in percent of what
	// lives. About 5 MiB do, and a collection each time that as much was allocated again, as is Go's
	// default, would take a sixth of the time of a busy server.
	gcPercent = 400

	// A password hash of 19 MiB, and there may be one for each processor, is not to be multiplied
	// likewise: from here on, memory is worth more than time.
	memoryLimit        = 64 << 20
	memoryLimitPerHash = 32 << 20
)

// tuneMemory sets up the garbage collector, unless the operator did so by environment (GOGC,
// GOMEMLIMIT).
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + memoryLimitPerHash*int64(runtime.GOMAXPROCS(0)))
	}
}
