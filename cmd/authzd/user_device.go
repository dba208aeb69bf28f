package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserDeviceCommand(r *remote) *cobra.Command {
	return newSubgroup("device", "the browsers that a user has signed in with: list, forget",
		newDeviceListCommand(r), newDeviceForgetCommand(r))
}

func newDeviceListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list USER",
		Short: "list the browsers that a user has signed in with lately",
		Long: `List the browsers that a user has signed in with within 180 days (known), and those in which they are not asked
for a second factor (remembered). The ID is a hash of a cookie. A browser may be in the list twice, once of each kind.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			return printAll(p, c.Devices(ctx, u.Sub), []string{"ID", "KIND", "CREATED", "SEEN", "UNTIL"}, func(d *admin.Device) []string {
				var seen time.Time
				if d.SeenAt != nil {
					seen = *d.SeenAt
				}
				return []string{d.ID, d.Kind, when(d.CreatedAt), when(seen), when(d.Until)}
			})
		}),
	}
}

func newDeviceForgetCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "forget USER",
		Short: "forget all browsers of a user, such as one that was stolen",
		Long: `Forget all browsers of a user: the second factor is asked for in each of them again, and the next sign-in counts
as one from a new device, of which the user gets a mail. Sessions go on: end them with "authzd session revoke --user".`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			if err := c.ForgetDevices(ctx, u.Sub); err != nil {
				return err
			}
			p.done("forgot the browsers of user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}
