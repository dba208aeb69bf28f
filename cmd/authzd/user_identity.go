package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserIdentityCommand(r *remote) *cobra.Command {
	return newSubgroup("identity", "a user's accounts at upstream providers: list, link, unlink",
		newIdentityListCommand(r), newIdentityLinkCommand(r), newIdentityUnlinkCommand(r))
}

func newIdentityListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "list USER",
		Short:             "list the upstream identities of a user",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			return printAll(p, c.Identities(ctx, u.Sub), []string{"ID", "CONNECTOR", "SUBJECT", "EMAIL", "LINKED"}, func(i *admin.Identity) []string {
				return []string{i.ID, i.Connector, i.Subject, i.Email, when(i.LinkedAt)}
			})
		}),
	}
}

func newIdentityLinkCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "link USER CONNECTOR SUBJECT",
		Short: "let a user sign in by an account at an upstream provider",
		Long: `Let a user sign in by an account at an upstream provider. CONNECTOR is its id in the configuration,
SUBJECT the sub that the provider gives the user.`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, args []string) error {
			linked, err := c.LinkIdentity(ctx, u.Sub, admin.NewIdentity{Connector: args[0], Subject: args[1]})
			if err != nil {
				return err
			}
			if p.json {
				return p.encode(linked)
			}
			p.done("linked %s %s to user %s (%s)", linked.Connector, linked.Subject, u.Username, u.Sub)
			return nil
		}),
	}
}

func newIdentityUnlinkCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "unlink USER {ID | CONNECTOR SUBJECT}",
		Short: "unlink an upstream identity from a user, unless it is their last way in",
		Long: `Unlink an upstream identity from a user: by its ID, which "user identity list" shows, or by its
connector and subject. The last way in of a user can't be unlinked: disable the user instead.`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, args []string) error {
			for i, err := range c.Identities(ctx, u.Sub) {
				if err != nil {
					return err
				}
				if len(args) == 1 && i.ID == args[0] || len(args) == 2 && i.Connector == args[0] && i.Subject == args[1] {
					if err := c.UnlinkIdentity(ctx, u.Sub, i.ID); err != nil {
						return err
					}
					p.done("unlinked %s %s from user %s (%s)", i.Connector, i.Subject, u.Username, u.Sub)
					return nil
				}
			}
			return hinted{errors.New("the user has no such identity"), fmt.Sprintf("\"authzd user identity list %s\" shows them", u.Username)}
		}),
	}
}
