// Package version knows what this program was built from.
package version

import "runtime/debug"

// stamped is the version that the linker was told, where the build has neither a checkout nor a module's
// version to go by:
//
//	go build -ldflags="-X github.com/authzd/authzd/version.stamped=v1.2.3" ./cmd/authzd
var stamped string

// Build is what is known about this program. Revision, Time and Modified are empty unless it was built in a
// checkout.
type Build struct {
	Version  string // such as v1.2.3; never empty
	Revision string // of git
	Time     string // of the revision, RFC 3339
	Modified bool   // with changes that were not committed
}

// Read returns what is known about this program.
func Read() Build {
	b := Build{Version: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if stamped != "" {
		b.Version = stamped
	}
	return b
}
