package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// gcPercent is how much may be allocated between two garbage collections, in percent of the live memory.
	// About 5 MiB are live. With Go's default, a collection after as many allocated bytes would take a sixth
	// of the time of a busy server.
	gcPercent = 400

	// A password hash takes 19 MiB, and there may be one for each thread. gcPercent must not multiply that:
	// from here on, memory is worth more than time.
	memoryLimit        = 32 << 20
	memoryLimitPerHash = 20 << 20
)

// tune sets up the Go runtime, except for what the operator has set in the environment (GOGC, GOMEMLIMIT,
// GOMAXPROCS). A promoted standby comes here again, and must not get another thread.
var tune = sync.OnceFunc(func() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// The store waits for the disk most of the time. While a system call is short, up to 10 ms, the
		// scheduler leaves a thread to it that could do something else.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // by default the container's share of processors
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + memoryLimitPerHash*int64(runtime.GOMAXPROCS(0)))
	}
})
