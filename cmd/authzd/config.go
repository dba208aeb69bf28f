package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/templates/brand"
)

// configFiles are the default files, in the order of the search.
var configFiles = []string{"./authzd.yaml", "/etc/authzd/authzd.yaml"}

var errNoConfig = errors.New("no configuration")

// loadConfig loads the named file, or the first default file that exists, or the environment alone.
func loadConfig(file string) (*config.Config, error) {
	file, err := configPath(file)
	if err != nil {
		return nil, err
	}
	return config.Load(file, os.Environ())
}

// configPath returns the file, or "" if there is none and the environment is enough.
func configPath(file string) (string, error) {
	if file != "" {
		return file, nil
	}
	for _, name := range configFiles {
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
	}
	if os.Getenv("AUTHZD_ISSUER") != "" { // all else has a default
		return "", nil
	}
	return "", usageError{
		fmt.Errorf("%w: neither %s exists", errNoConfig, strings.Join(configFiles, " nor ")),
		`write one with "authzd init", name one with --config, set AUTHZD_ISSUER and the other variables that you need, or try "authzd serve --dev"`,
	}
}

func newConfigCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "config",
		Short: "check and show the configuration",
		Args:  cobra.NoArgs,
		RunE:  needSubcommand,
	}
	group.AddCommand(newConfigCheckCommand(), newConfigPrintCommand(), newConfigSchemaCommand())
	return group
}

// needSubcommand is the action of a group of commands.
func needSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usageError{
		fmt.Errorf("%q needs a command", cmd.CommandPath()),
		"one of " + strings.Join(names, ", "),
	}
}

func newConfigCheckCommand() *cobra.Command {
	var file string
	var checked *config.Config
	cmd := checkCommand(func(*cobra.Command) (string, config.Errors, error) {
		name, err := configPath(file)
		if err != nil {
			return "", nil, err
		}
		c, err := config.Load(name, os.Environ())
		if err != nil {
			return "", nil, err
		}
		checked = c
		return name, c.Warnings, nil
	})
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return err
		}
		for _, n := range notesOf(checked) {
			fmt.Fprintf(cmd.OutOrStdout(), "note: %s\n", n.text)
			printHint(cmd.OutOrStdout(), n.hint)
		}
		return nil
	}
	theServer.addConfigFlag(cmd, &file)
	return cmd
}

// note is what an operator may want to know of a configuration that is right.
type note struct{ text, hint string }

func notesOf(c *config.Config) (notes []note) {
	if !c.Mail.On() {
		return []note{{noMail, noMailHint}}
	}
	b := c.Branding
	for _, logo := range []struct{ key, file string }{{"branding.logo_file", b.LogoFile}, {"branding.logo_dark_file", b.LogoDarkFile}} {
		if logo.file == "" {
			continue
		}
		read, err := brand.ReadLogo(logo.file)
		if err != nil {
			continue // it has just been checked: somebody is changing it
		}
		if why := read.NotInMails(); why != "" {
			notes = append(notes, note{"mails do not have " + logo.key + ": " + why, "for a logo in mails, name a PNG, JPEG or GIF picture of 64 KiB at most; without one they have branding.name"})
		}
	}
	return notes
}

// checkCommand is "config check" of a configuration: load returns the name of its file, "" if there is none, and its
// warnings.
func checkCommand(load func(*cobra.Command) (name string, warnings config.Errors, err error)) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "report everything that is wrong with the configuration",
		Long: `Report everything that is wrong with the configuration, and exit with 2 if something is. Warnings are about
what is allowed and dangerous: they change nothing in the exit code.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, warnings, err := load(cmd)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), w.Warning())
				printHint(cmd.ErrOrStderr(), w.Hint)
			}
			if name == "" {
				name = "the environment"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", name)
			return nil
		},
	}
}

func newConfigPrintCommand() *cobra.Command {
	var file string
	cmd := printCommand("AUTHZD_", func() ([]byte, error) {
		c, err := loadConfig(file)
		if err != nil {
			return nil, err
		}
		return c.YAML()
	})
	theServer.addConfigFlag(cmd, &file)
	return cmd
}

// printCommand is "config print" of a configuration whose variables begin with a prefix.
func printCommand(prefix string, text func() ([]byte, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "print",
		Short: "show the effective configuration, secrets masked",
		Long: `Show the effective configuration: the file, the ` + prefix + ` variables and the defaults together.
Secrets are masked.`,
		Args: cobra.NoArgs,
		RunE: writes(text),
	}
}

func newConfigSchemaCommand() *cobra.Command { return schemaCommand("authzd", config.Schema) }

// schemaCommand is "config schema" of a file of this name.
func schemaCommand(name string, schema func() ([]byte, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print a JSON Schema of the configuration file",
		Long: `Print a JSON Schema (2020-12) of the configuration file, for editors. With the YAML language
server, this as the first line of ` + name + `.yaml turns on completion and documentation:

  # yaml-language-server: $schema=` + name + `.schema.json`,
		Args: cobra.NoArgs,
		RunE: writes(schema),
	}
}

// writes is the action of a command that prints a text.
func writes(text func() ([]byte, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		all, err := text()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(all)
		return err
	}
}
