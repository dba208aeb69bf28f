package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserNetworkCommand(r *remote) *cobra.Command {
	return newSubgroup("network", "the networks that a user has signed in from: list, forget",
		newNetworkListCommand(r), newNetworkForgetCommand(r))
}

func newNetworkListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list USER",
		Short: "list the networks that a user has signed in from lately",
		Long: `List the networks that a user has signed in from by password within 30 days. Others' wrong passwords do
not keep the user out there. The ID is a hash of the network: authzd does not keep the address.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			return printAll(p, c.TrustedNetworks(ctx, u.Sub), []string{"ID", "SEEN", "UNTIL"}, func(n *admin.TrustedNetwork) []string {
				return []string{n.ID, when(n.SeenAt), when(n.Until)}
			})
		}),
	}
}

func newNetworkForgetCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "forget USER",
		Short: "end the trust in all networks of a user, until they sign in there again",
		Long: `End the trust in all networks of a user, until they sign in there again. Do so, and set a new password, when
somebody else has signed in with the old one. Other replicas follow within ten minutes.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			if err := c.ForgetTrustedNetworks(ctx, u.Sub); err != nil {
				return err
			}
			p.done("forgot the networks of user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}
