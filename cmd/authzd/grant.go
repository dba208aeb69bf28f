package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newGrantCommand() *cobra.Command {
	r := &remote{}
	return newGroup("grant", "what users have granted clients: list, revoke", r, newGrantListCommand(r), newGrantRevokeCommand(r))
}

func newGrantListCommand(r *remote) *cobra.Command {
	var user, client string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the grants that live, and those that were revoked",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			sub, err := subOf(ctx, c, user)
			if err != nil {
				return err
			}
			all := c.Grants(ctx, admin.GrantQuery{Sub: sub, ClientID: client})
			return printAll(p, all, []string{"GID", "CLIENT", "USER", "SCOPE", "CREATED", "EXPIRES", "REVOKED"}, func(g *admin.Grant) []string {
				return []string{g.GID, g.ClientID, userName(g.Username, g.Sub), g.Scope, when(g.CreatedAt), when(g.ExpiresAt), whenOrEmpty(g.RevokedAt)}
			})
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only of this `user`, by username or sub")
	cmd.Flags().StringVar(&client, "client", "", "only to the client with this `id`; without --user this reads every grant")
	_ = cmd.RegisterFlagCompletionFunc("user", r.completeUsers())
	_ = cmd.RegisterFlagCompletionFunc("client", r.completeClients())
	return cmd
}

func newGrantRevokeCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke GID",
		Short: "end a grant, with every token that came of it",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(func(ctx context.Context, c *admin.Client, _ string) (ids []string, err error) {
			for g, err := range first(completionMax, c.Grants(ctx, admin.GrantQuery{})) {
				if err != nil {
					return ids, err
				}
				if g.RevokedAt == nil {
					ids = append(ids, g.GID+"\t"+g.ClientID+" for "+userName(g.Username, g.Sub))
				}
			}
			return ids, nil
		}),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			if err := c.RevokeGrant(ctx, args[0]); err != nil {
				return err
			}
			p.done("revoked grant %s", args[0])
			return nil
		}),
	}
}
