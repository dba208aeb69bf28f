// Command authzd is a standalone OAuth 2.1 / OpenID Connect server.
//
// Each file holds one group of commands. A command returns an error, and only main prints it and chooses the
// exit code:
//
//	main ─> root ─┬─> serve | init | config …                   serve*.go, init.go, config.go
//	  ▲           ├─> bff …                                      cookie mode in front of apps: bff*.go
//	  │           ├─> template …                                what an operator can replace: template.go
//	  │           ├─> client … | user … | session … | grant …   a running server, over its admin API: remote.go
//	  │           │     key … | audit … | compact
//	  │           ├─> backup … | restore | check | migrate …    the store, with a running server or without
//	  │           ├─> standby | promote                         a second machine: standby.go, promote.go
//	  │           ├─> secret …                                  the server's secrets
//	  │           ├─> doctor | healthcheck                      a server, from the outside
//	  │           └─> version
//	  └── error ──────┘
//
// Exit codes are 0 for done, 1 for failed, 2 for wrong usage or configuration.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	var started bool
	root := newRootCommand(&started)
	root.SetArgs(args)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if !started { // cobra refused the command, a flag or an argument
		err = usageError{err, `see "` + ran.CommandPath() + ` --help"`}
	}
	printError(root.ErrOrStderr(), err)
	return exitCode(err)
}
