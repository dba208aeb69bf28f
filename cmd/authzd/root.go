package main

import "github.com/spf13/cobra"

// newRootCommand declares the whole command line. started is set when cobra has accepted a command.
func newRootCommand(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "authzd",
		Short: "a standalone OAuth 2.1 / OpenID Connect server",
		Long: `authzd is a standalone OAuth 2.1 / OpenID Connect server: one binary, an embedded database.

To try it out, with a demo user and a demo client:   authzd serve --dev
To set it up:                                        authzd init`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRun:  func(*cobra.Command, []string) { *started = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.AddCommand(
		newServeCommand(),
		newBFFCommand(),
		newInitCommand(),
		newConfigCommand(),
		newClientCommand(),
		newUserCommand(),
		newSessionCommand(),
		newGrantCommand(),
		newRevocationCommand(),
		newKeyCommand(),
		newMailCommand(),
		newOutboxCommand(),
		newTemplateCommand(),
		newDoctorCommand(),
		newHealthcheckCommand(),
		newVersionCommand(),
	)
	root.AddCommand(theServer.keepers()...)
	return root
}
