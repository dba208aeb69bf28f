package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newSessionCommand() *cobra.Command {
	r := &remote{}
	return newGroup("session", "browser sessions: list, revoke", r, newSessionListCommand(r), newSessionRevokeCommand(r))
}

func newSessionListCommand(r *remote) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the sessions that live",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			sub, err := subOf(ctx, c, user)
			if err != nil {
				return err
			}
			return printAll(p, c.Sessions(ctx, sub), []string{"SID", "USER", "SIGNED IN", "LAST ACTIVE", "EXPIRES", "METHOD", "DEVICE"}, func(s *admin.Session) []string {
				method := s.Connector
				if method == "" {
					method = strings.Join(s.AMR, " ")
				}
				return []string{s.SID, userName(s.Username, s.Sub), when(s.AuthTime), when(s.LastActiveAt), when(s.ExpiresAt), method, strings.Join(strings.Fields(s.Browser+" "+s.System+" "+s.Address), " ")}
			})
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only of this `user`, by username or sub")
	_ = cmd.RegisterFlagCompletionFunc("user", r.completeUsers())
	return cmd
}

func newSessionRevokeCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke SID",
		Short: "end a session, as if its user had signed out",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(func(ctx context.Context, c *admin.Client, _ string) (ids []string, err error) {
			for s, err := range first(completionMax, c.Sessions(ctx, "")) {
				if err != nil {
					return ids, err
				}
				ids = append(ids, s.SID+"\tof "+userName(s.Username, s.Sub)+", last active "+when(s.LastActiveAt))
			}
			return ids, nil
		}),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			if err := c.RevokeSession(ctx, args[0]); err != nil {
				return err
			}
			p.done("revoked session %s", args[0])
			return nil
		}),
	}
}
