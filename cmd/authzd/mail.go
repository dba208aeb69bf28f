package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

// An operator is told this if there is no mail.
const (
	noMail     = "no mail is configured, so nothing that needs mail is offered, such as a new password for a person who forgot theirs"
	noMailHint = "set mail.smtp.host and mail.from, and try them with: authzd mail test ADDRESS"
)

func newMailCommand() *cobra.Command {
	r := &remote{}
	return newGroup("mail", "mails to people: test", r, newMailTestCommand(r))
}

func newMailTestCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "test ADDRESS",
		Short: "send a mail at once, and say what the mail server answered",
		Args:  cobra.ExactArgs(1),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			sent, err := c.SendTestMail(ctx, admin.TestMail{To: args[0]})
			if err != nil {
				return err
			}
			return p.value(sent, [][2]string{{"server", sent.Server}, {"answer", sent.Answer}})
		}),
	}
}

func newOutboxCommand() *cobra.Command {
	r := &remote{}
	return newGroup("outbox", "logout tokens and mails on their way: list", r, newOutboxListCommand(r))
}

func newOutboxListCommand(r *remote) *cobra.Command {
	var givenUp bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list what waits to be delivered, or what was given up in the last seven days",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			columns := []string{"QUEUED", "KIND", "TO", "ABOUT", "ATTEMPTS", "NEXT", "CAUSE"}
			if givenUp {
				columns = []string{"QUEUED", "KIND", "TO", "ABOUT", "ATTEMPTS", "GIVEN UP", "OUTCOME", "CAUSE"}
			}
			return printAll(p, c.Deliveries(ctx, givenUp), columns, func(d *admin.Delivery) []string {
				row := []string{when(d.QueuedAt), d.Kind, d.To + d.ClientID, d.Message + d.SID, strconv.Itoa(d.Attempts)}
				if givenUp {
					return append(row, whenOrEmpty(d.GivenUp), d.Outcome, d.Cause)
				}
				return append(row, whenOrEmpty(d.DueAt), d.Cause)
			})
		}),
	}
	cmd.Flags().BoolVar(&givenUp, "given-up", false, "what was given up in the last seven days")
	return cmd
}
