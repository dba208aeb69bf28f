package main

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
)

// program is what a command looks after: a server or a BFF. Each has a configuration, a store and an admin socket of its
// own, and the same commands for them: those of a BFF are below "authzd bff".
type program struct {
	name   string   // begins its commands
	start  string   // the command that serves
	files  []string // its default configurations
	socket string   // its admin socket if there is no configuration
	load   func(file string) (*loaded, error)
}

// loaded is the configuration of a program.
type loaded struct {
	*config.Keeping
	serve func(ctx context.Context, o serveOptions) error
}

var (
	theServer = &program{name: "authzd", start: "authzd serve", files: configFiles, socket: "./authzd-data/admin.sock", load: func(file string) (*loaded, error) {
		cfg, err := loadConfig(file)
		if err != nil {
			return nil, err
		}
		return &loaded{cfg.Keeping(), func(ctx context.Context, o serveOptions) error { return serve(ctx, cfg, o) }}, nil
	}}
	theBFF = &program{name: "authzd bff", start: "authzd bff", files: bffFiles, socket: "./bff-data/admin.sock", load: func(file string) (*loaded, error) {
		_, cfg, err := loadBFF(file)
		if err != nil {
			return nil, err
		}
		if cfg.Storage.Sealed {
			return nil, usageError{errors.New("nothing is stored: storage.sealed keeps the sessions in cookies"), "only a BFF with storage.bolt or storage.postgres has something to look after"}
		}
		return &loaded{cfg.Keeping(), func(ctx context.Context, o serveOptions) error { return serveBFF(ctx, cfg, o) }}, nil
	}}
)

// addConfigFlag adds the flag that names the configuration.
func (of *program) addConfigFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration `file` (default "+strings.Join(of.files, ", else ")+")")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// keepers returns the commands that look after the store of a program.
func (of *program) keepers() []*cobra.Command {
	return []*cobra.Command{
		newAuditCommand(of), newBackupCommand(of), newRestoreCommand(of), newCheckCommand(of), newMigrateCommand(of), newCompactCommand(of),
		newSecretCommand(of), newStandbyCommand(of), newPromoteCommand(of),
	}
}

// adopted returns the keepers of a BFF. Their help and hints name its commands.
func (of *program) adopted() []*cobra.Command {
	all := of.keepers()
	for _, cmd := range all {
		of.adopt(cmd)
	}
	return all
}

func (of *program) adopt(cmd *cobra.Command) {
	cmd.Long, cmd.Example = of.rename(cmd.Long), of.rename(cmd.Example)
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return of.own(run(cmd, args)) }
	}
	for _, below := range cmd.Commands() {
		of.adopt(below)
	}
}

// own returns an error whose hint names the commands of the program.
func (of *program) own(err error) error {
	if hint := (interface{ Hint() string })(nil); errors.As(err, &hint) {
		return hinted{err, of.rename(hint.Hint())}
	}
	return err
}

// commandOfServer is a keeper as texts name it.
var commandOfServer = regexp.MustCompile(`\bauthzd (audit|backup|check|compact|migrate|promote|restore|secret|serve|standby)\b`)

// rename makes a text about the commands of a server one about those of the program.
func (of *program) rename(text string) string {
	return commandOfServer.ReplaceAllStringFunc(text, func(command string) string {
		if _, name, _ := strings.Cut(command, " "); name != "serve" {
			return of.name + " " + name
		}
		return of.start
	})
}
