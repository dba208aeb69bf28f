package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/kms"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
)

// openSecret reads the server's secrets before anything is written: they must open what the store has sealed.
// If the store has sealed nothing and there is no secret, it makes one.
func openSecret(ctx context.Context, files config.PathList, kms *config.KMS, store storage.Store) (*keys.Secret, error) {
	w, err := newWrapper(kms)
	if err != nil {
		return nil, err
	}
	open, used := keys.OpenSecret, new(keys.LockedOutError)
	if err := keys.CheckOpens(ctx, store, nil); errors.As(err, &used) && len(files) == 1 {
		open = keys.ReadSecret // a new one would open nothing
	} else if err != nil && !errors.As(err, &used) {
		return nil, err
	}
	secret, err := open(w, files...)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, hinted{err, "bring back the secret that this store was used with: without it nothing that it has sealed can be opened"}
	case err != nil:
		return nil, err
	}
	return secret, keys.CheckOpens(ctx, store, secret)
}

// readSecret reads the server's secrets, which must exist.
func readSecret(cfg *config.Keeping) (*keys.Secret, error) {
	w, err := newWrapper(&cfg.KMS)
	if err != nil {
		return nil, err
	}
	return keys.ReadSecret(w, cfg.SecretFile...)
}

// newWrapper returns nil if no kms is configured.
func newWrapper(k *config.KMS) (keys.Wrapper, error) {
	if k.Local.Key == "" {
		return nil, nil
	}
	key, err := kms.NewLocal(string(k.Local.Key))
	return kms.Wrapper{Key: key}, err
}

func newSecretCommand(of *program) *cobra.Command {
	group := &cobra.Command{
		Use:   "secret",
		Short: "make, wrap and list the server's secrets",
		Args:  cobra.NoArgs,
		RunE:  needSubcommand,
	}
	group.AddCommand(newSecretNewCommand(of), newSecretWrapCommand(of), newSecretListCommand(of), newSecretStatusCommand(of))
	return group
}

// secretCommand is a command that needs the configuration and the wrapper of secrets, if there is one.
func secretCommand(of *program, use, short, long string, args cobra.PositionalArgs, run func(cmd *cobra.Command, cfg *config.Keeping, w keys.Wrapper, args []string) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  args,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := of.load(file)
			if err != nil {
				return err
			}
			w, err := newWrapper(&cfg.KMS)
			if err != nil {
				return err
			}
			return run(cmd, cfg.Keeping, w, args)
		},
	}
	of.addConfigFlag(cmd, &file)
	return cmd
}

func newSecretNewCommand(of *program) *cobra.Command {
	return secretCommand(of, "new FILE", "make a new secret",
		"Make a new secret in a file that is not there yet, wrapped if a kms is configured. To change the server's\nsecret, list the file second in secret_file, restart every replica, then list it first and restart again.",
		cobra.ExactArgs(1), func(cmd *cobra.Command, _ *config.Keeping, w keys.Wrapper, args []string) error {
			err := keys.NewSecretFile(args[0], w)
			if errors.Is(err, fs.ErrExist) {
				return hinted{fmt.Errorf("%s exists already", args[0]), "name another file: what a secret has sealed is lost without it"}
			}
			return err
		})
}

func newSecretWrapCommand(of *program) *cobra.Command {
	return secretCommand(of, "wrap FILE...", "put secrets under the present key of the kms",
		"Put the secrets of files under the present key of the kms, whether they were wrapped before or not. The\nsecrets stay the same: a server that runs notices nothing.",
		cobra.MinimumNArgs(1), func(cmd *cobra.Command, _ *config.Keeping, w keys.Wrapper, args []string) error {
			if w == nil {
				return usageError{errors.New("no kms is configured"), "set kms.local.key; make one with: openssl rand -base64 32"}
			}
			for _, name := range args {
				if err := keys.WrapSecretFile(name, w); err != nil {
					return fmt.Errorf("wrap %s: %w", name, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s wrapped\n", name)
			}
			return nil
		})
}

func newSecretListCommand(of *program) *cobra.Command {
	return secretCommand(of, "list", "show the ids of the secrets in secret_file, by which messages name them", "",
		cobra.NoArgs, func(cmd *cobra.Command, cfg *config.Keeping, w keys.Wrapper, _ []string) error {
			for _, source := range cfg.SecretFile {
				secret, err := keys.ReadSecret(w, source)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", secret.ID(), source)
			}
			return nil
		})
}
