package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserNetworkCommand(r *remote) *cobra.Command {
	group := &cobra.Command{
		Use:   "network",
		Short: "the networks that a user has signed in from: list, forget",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(newNetworkListCommand(r), newNetworkForgetCommand(r))
	return group
}

func newNetworkListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list USER",
		Short: "list the networks that a user has signed in from lately",
		Long: `List the networks that a user has signed in from by password within 30 days. Others' wrong passwords do
not keep the user out there. The ID is a hash of the network: authzd does not keep the address.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			u, err := findUser(ctx, c, args[0])
			if err != nil {
				return err
			}
			return printAll(p, c.TrustedNetworks(ctx, u.Sub), []string{"ID", "SEEN", "UNTIL"}, func(n *admin.TrustedNetwork) []string {
				return []string{n.ID, n.SeenAt.UTC().Format(time.DateTime), n.Until.UTC().Format(time.DateTime)}
			})
		}),
	}
}

func newNetworkForgetCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "forget USER",
		Short: "trust no network any more for a user, until they sign in there again",
		Long: `Trust no network any more for a user, until they sign in there again. Do so, and set a new password, when
somebody else has signed in with the old one. Other replicas follow within ten minutes.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			u, err := findUser(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.ForgetTrustedNetworks(ctx, u.Sub); err != nil {
				return err
			}
			p.done("forgot the networks of user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}
