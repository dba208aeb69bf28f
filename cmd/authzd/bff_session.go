package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newBFFSessionCommand() *cobra.Command {
	r := &remote{of: theBFF}
	return newGroup("session", "sessions of apps and gates: list, revoke", r, newBFFSessionListCommand(r), newBFFSessionRevokeCommand(r))
}

func addBFFSessionFlags(cmd *cobra.Command, which *admin.BFFSessionQuery) {
	cmd.Flags().StringVar(&which.Sub, "user", "", "only of the user with this `sub`, as the issuer calls them at the BFF")
	cmd.Flags().StringVar(&which.SID, "sid", "", "only of this session `sid` of the issuer")
	cmd.Flags().StringVar(&which.Frontend, "frontend", "", "only with this `frontend`; the gate's is called gate")
}

func newBFFSessionListCommand(r *remote) *cobra.Command {
	var which admin.BFFSessionQuery
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the sessions that live",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			columns := []string{"ID", "FRONTEND", "USER", "SID", "SIGNED IN", "LAST ACTIVE", "EXPIRES"}
			return printAll(p, c.BFFSessions(ctx, which), columns, func(s *admin.BFFSession) []string {
				return []string{s.ID, s.Frontend, s.Sub, s.SID, when(s.CreatedAt), when(s.LastActiveAt), when(s.ExpiresAt)}
			})
		}),
	}
	addBFFSessionFlags(cmd, &which)
	return cmd
}

func newBFFSessionRevokeCommand(r *remote) *cobra.Command {
	var which admin.BFFSessionQuery
	cmd := &cobra.Command{
		Use:   "revoke [ID]",
		Short: "end a session, or all that --user, --sid and --frontend name, and revoke their tokens",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: r.complete(func(ctx context.Context, c *admin.Client, _ string) (ids []string, err error) {
			for s, err := range first(completionMax, c.BFFSessions(ctx, admin.BFFSessionQuery{})) {
				if err != nil {
					return ids, err
				}
				ids = append(ids, s.ID+"\tof "+s.Sub+" with "+s.Frontend+", last active "+when(s.LastActiveAt))
			}
			return ids, nil
		}),
	}
	run := r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		if len(args) == 1 {
			if err := c.RevokeBFFSession(ctx, args[0]); err != nil {
				return err
			}
			p.done("revoked session %s", args[0])
			return nil
		}
		ended, err := c.EndBFFSessions(ctx, which)
		if err != nil {
			return err
		}
		if p.json {
			return p.encode(admin.BFFSessionsEnded{Ended: ended})
		}
		p.done("revoked %d sessions", ended)
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (len(args) == 1) == (which != admin.BFFSessionQuery{}) {
			return usageError{errors.New("which sessions?"), "name one by its ID, or several by --user, --sid and --frontend"}
		}
		return run(cmd, args)
	}
	addBFFSessionFlags(cmd, &which)
	return cmd
}
