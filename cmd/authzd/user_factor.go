package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserFactorCommand(r *remote) *cobra.Command {
	return newSubgroup("factor", "a user's second factors and passkeys: list, reset",
		newFactorListCommand(r), newFactorResetCommand(r))
}

func newFactorListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "list USER",
		Short:             "list the authenticator app, the recovery codes and the passkeys of a user",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			return printAll(p, c.Factors(ctx, u.Sub), []string{"ID", "KIND", "NAME", "CREATED", "USED", "STATE"}, func(f *admin.Factor) []string {
				var used time.Time
				if f.UsedAt != nil {
					used = *f.UsedAt
				}
				return []string{f.ID, f.Kind, f.Name, when(f.CreatedAt), when(used), factorState(f)}
			})
		}),
	}
}

func factorState(f *admin.Factor) string {
	switch {
	case f.Locked:
		return "locked"
	case f.Left != nil:
		return strconv.Itoa(*f.Left) + " left"
	}
	return ""
}

func newFactorResetCommand(r *remote) *cobra.Command {
	var reset admin.FactorReset
	cmd := &cobra.Command{
		Use:   "reset USER",
		Short: "remove the second factor of a user who has lost it",
		Long: `Remove the authenticator app, the recovery codes and the remembered devices of a user who has lost them. The
user is told by mail. Until they set up new ones, the password alone signs in: make sure that the user is the one who
asks. If a second factor is demanded of them, they set one up at the next sign-in.

--passkeys removes the passkeys too. If the user has neither a password nor a provider to sign in with, that shuts them
out, and is refused: give them another way first, or insist by --force.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			if err := c.ResetFactors(ctx, u.Sub, reset); err != nil {
				return err
			}
			p.done("reset the factors of user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&reset.Passkeys, "passkeys", false, "remove the passkeys too")
	cmd.Flags().BoolVar(&reset.Force, "force", false, "remove the passkeys even if they are the only way in")
	return cmd
}
