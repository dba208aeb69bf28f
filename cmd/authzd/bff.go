package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/config"
)

// bffFiles are the default files of a BFF, in the order of the search.
var bffFiles = []string{"./bff.yaml", "/etc/authzd/bff.yaml"}

// loadBFF loads the named file, or the first default file that exists.
func loadBFF(file string) (name string, c *config.BFF, err error) {
	for _, name := range bffFiles {
		if _, err := os.Stat(name); file == "" && !errors.Is(err, os.ErrNotExist) {
			file = name
		}
	}
	if file == "" {
		return "", nil, usageError{
			fmt.Errorf("%w: neither %s exists", errNoConfig, strings.Join(bffFiles, " nor ")),
			"name one with --config; docs/cookie-mode.md begins with one of ten lines",
		}
	}
	c, err = config.LoadBFF(file, os.Environ())
	return file, c, err
}

func newBFFCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "bff",
		Short: "run cookie mode in front of apps and APIs",
		Long: `Run cookie mode, a backend for frontends: it signs users in to browser apps, keeps their tokens, and leads the
apps' calls to APIs with the token that each needs. The browser has a cookie that no script can read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer holdHangups()()
			_, cfg, err := loadBFF(file)
			if err != nil {
				return err
			}
			return theBFF.own(serveBFF(cmd.Context(), cfg, serveOptions{log: cmd.ErrOrStderr()}))
		},
	}
	theBFF.addConfigFlag(cmd, &file)
	cmd.AddCommand(newBFFJWKSCommand(), newBFFKeyCommand(), newBFFConfigCommand(), newBFFSessionCommand())
	cmd.AddCommand(theBFF.adopted()...)
	return cmd
}

func newBFFJWKSCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "jwks",
		Short: "print the public key of the BFF's client",
		Long: `Print the public half of key_file as a JSON Web Key Set, for the registration of the client at the issuer. A
missing key is made. /bff/jwks.json of each frontend serves the same, for a jwks_uri.`,
		Args: cobra.NoArgs,
		RunE: writes(func() ([]byte, error) {
			_, cfg, err := loadBFF(file)
			if err != nil {
				return nil, err
			}
			if cfg.KeyFile == "" {
				return nil, usageError{fmt.Errorf("there is no key: the client authenticates by %s", cfg.ClientAuthentication.Method),
					"only private_key_jwt needs one"}
			}
			key, err := provider.OpenKey(cfg.KeyFile)
			if err != nil {
				return nil, err
			}
			return key.JWKS(), nil
		}),
	}
	theBFF.addConfigFlag(cmd, &file)
	return cmd
}

func newBFFConfigCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "config",
		Short: "check and show the configuration of a BFF",
		Args:  cobra.NoArgs,
		RunE:  needSubcommand,
	}
	var checked, printed string
	check := checkCommand(func(cmd *cobra.Command) (string, config.Errors, error) {
		name, cfg, err := loadBFF(checked)
		if err != nil {
			return "", nil, err
		}
		return name, append(cfg.Warnings, warnOfIssuer(cmd.Context(), cfg)...), nil
	})
	check.Long += `
The issuer is asked whether a refresh counts as activity there: then no idle session of a BFF ends at the issuer.`
	theBFF.addConfigFlag(check, &checked)
	show := printCommand("AUTHZD_BFF_", func() ([]byte, error) {
		_, cfg, err := loadBFF(printed)
		if err != nil {
			return nil, err
		}
		return cfg.YAML()
	})
	theBFF.addConfigFlag(show, &printed)
	group.AddCommand(check, show, schemaCommand("bff", config.BFFSchema))
	return group
}
