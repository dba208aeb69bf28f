package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserInviteCommand(r *remote) *cobra.Command {
	var invite admin.Invite
	cmd := &cobra.Command{
		Use:   "invite EMAIL",
		Short: "make a user, and send them a mail with a link to choose a password",
		Long: `Make a user without a password, and send them a mail with a link. It works for seven days: by it they
choose a name and a password, and prove the address, which is also their username. To send another link:
"authzd user set-password USER --send-link".

The server needs mail, and accounts.registration must be invite or open.`,
		Args: cobra.ExactArgs(1),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			invite.Email = args[0]
			invited, err := c.InviteUser(ctx, invite)
			if err != nil {
				return err
			}
			return p.value(invited, userRows(invited))
		}),
	}
	cmd.Flags().StringVar(&invite.Name, "name", "", "the person's `name`; they can change it")
	cmd.Flags().StringSliceVar(&invite.Roles, "role", nil, "a `role` of the user; may be repeated")
	cmd.Flags().StringSliceVar(&invite.Groups, "group", nil, "a `group` of the user; may be repeated")
	return cmd
}
