package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newRevocationCommand() *cobra.Command {
	r := &remote{}
	return newGroup("revocation", "the revocation feed: list, status", r, newRevocationListCommand(r), newRevocationStatusCommand(r))
}

func newRevocationListCommand(r *remote) *cobra.Command {
	var query admin.RevocationQuery
	var user string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the tokens that ended before their time, and are on the feed now",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) (err error) {
			if query.Sub, err = subIfKnown(ctx, c, user); err != nil {
				return err
			}
			columns := []string{"ENDED", "CAUSE", "KIND", "ID", "USER", "ISSUED BY", "EXPIRES"}
			return printAll(p, c.Revocations(ctx, query), columns, func(v *admin.Revocation) []string {
				return []string{when(v.EndedAt), v.Cause, v.Kind, v.ID, v.Sub, whenOrEmpty(v.Before), when(v.ExpiresAt)}
			})
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only those of this `user`, by username or sub")
	cmd.Flags().StringVar(&query.Kind, "kind", "", "only of this `kind`: grant, session, user, token, client, consent or all")
	cmd.Flags().StringVar(&query.ID, "id", "", "only of this `id`: a gid, sid, sub, jti or client_id")
	cmd.Flags().StringVar(&query.Cause, "cause", "", "only with this `cause`, such as user.disabled")
	_ = cmd.RegisterFlagCompletionFunc("user", r.completeUsers())
	return cmd
}

func newRevocationStatusCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "show the epoch and the window of the feed, and who waits for it",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			f, err := c.ReadFeed(ctx)
			if err != nil {
				return err
			}
			return p.value(f, [][2]string{
				{"epoch", f.Epoch}, {"window", strconv.Itoa(f.WindowSeconds) + " s"}, {"entries", strconv.Itoa(f.Entries)}, {"waiting", strconv.Itoa(f.Waiting)},
			})
		}),
	}
}
