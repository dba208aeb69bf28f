package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/client"
)

func newClientCommand() *cobra.Command {
	r := &remote{}
	return newGroup("client", "OAuth clients: create, list, show, update, delete, rotate-secret", r,
		newClientCreateCommand(r), newClientListCommand(r), newClientShowCommand(r), newClientUpdateCommand(r),
		newClientDeleteCommand(r), newClientRotateSecretCommand(r))
}

// clientMembers are the members of a client that have a flag.
var clientMembers = members{
	{flag: "name", member: "client_name", text: "`name` that users see"},
	{flag: "redirect-uri", member: "redirect_uris", text: "`URI` that receives the code; may be repeated", kind: asList},
	{flag: "post-logout-redirect-uri", member: "post_logout_redirect_uris", text: "`URI` to return to after a logout; may be repeated", kind: asList},
	{flag: "scope", text: "`scopes`, separated by spaces"},
	{flag: "resource", member: "resources", text: "`URI` of an API that its tokens may be for; may be repeated", kind: asList},
	{flag: "allowed-origin", member: "allowed_origins", text: "`origin` that may call from a browser; may be repeated", kind: asList},
	{flag: "first-party", text: "no consent page", kind: asBool},
	{flag: "grant-type", member: "grant_types", text: "`grant type`; may be repeated", kind: asList},
	{flag: "auth-method", member: "token_endpoint_auth_method", text: "how it authenticates: none, client_secret_basic, private_key_jwt, …"},
}

// clientPreset is a member that can be set only for a new client.
var clientPreset = memberFlag{flag: "preset", text: "`kind`, which fills in the rest: spa, native, web or service"}

func newClientCreateCommand(r *remote) *cobra.Command {
	flags := append(members{clientPreset}, clientMembers...).flags()
	cmd := &cobra.Command{
		Use:   "create [CLIENT_ID]",
		Short: "create a client; its secret is shown only once",
		Long: `Create a client. Without a CLIENT_ID the server makes one up. If the client has a secret, it is made
by the server and shown this once. Members that have no flag are said by --set, as in
--set access_token_lifetime=5m or --set 'jwks={"keys":[…]}'.`,
		Example: `  authzd client create orders --preset spa --redirect-uri https://orders.example.com/callback
  authzd client create worker --preset service --scope orders.read -o json | jq -r .client_secret`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		said, err := flags.said(cmd)
		if err != nil {
			return err
		}
		var m client.Metadata
		if err := said.into(&m); err != nil {
			return err
		}
		if len(args) == 1 {
			m.ID = args[0]
		}
		created, err := c.CreateClient(ctx, m)
		if err != nil {
			return err
		}
		return p.value(created, newClientRows(created))
	})
	flags.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("preset", cobra.FixedCompletions([]string{"spa", "native", "web", "service"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newClientListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "list the clients of the configuration, of operators, and those that registered themselves",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			return printAll(p, c.Clients(ctx), []string{"CLIENT_ID", "NAME", "SOURCE", "AUTH", "GRANT TYPES"}, func(o *admin.OAuthClient) []string {
				return []string{o.ID, o.Name, o.Source, o.AuthMethod, strings.Join(o.GrantTypes, " ")}
			})
		}),
	}
}

func newClientShowCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "show CLIENT_ID",
		Short:             "show a client; -o json shows all of it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeClients(),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			o, err := c.GetClient(ctx, args[0])
			if err != nil {
				return err
			}
			return p.value(o, clientRows(o))
		}),
	}
}

func newClientUpdateCommand(r *remote) *cobra.Command {
	flags := clientMembers.flags()
	cmd := &cobra.Command{
		Use:               "update CLIENT_ID",
		Short:             "change the members of a client that the flags name",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeClients(),
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		said, err := flags.said(cmd)
		if err != nil {
			return err
		}
		if len(said) == 0 {
			return nothingSaid(cmd)
		}
		o, err := c.UpdateClient(ctx, args[0], "", said)
		if err != nil {
			return err
		}
		return p.value(o, newClientRows(o))
	})
	flags.add(cmd)
	return cmd
}

func newClientDeleteCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "delete CLIENT_ID",
		Short:             "delete a client: its grants and tokens are void from then on",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeClients(),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			if err := c.DeleteClient(ctx, args[0], ""); err != nil {
				return err
			}
			p.done("deleted client %s", args[0])
			return nil
		}),
	}
}

func newClientRotateSecretCommand(r *remote) *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:               "rotate-secret CLIENT_ID",
		Short:             "give a client a new secret, which is shown only once",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeClients(),
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
			rotated, err := c.RotateClientSecret(ctx, args[0], overlap)
			if err != nil {
				return err
			}
			return p.value(rotated, [][2]string{{"client_id", rotated.ID}, {"client_secret", rotated.ClientSecret}})
		}),
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the present secrets stay valid; 0 ends them now")
	return cmd
}

func (r *remote) completeClients() func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return r.complete(func(ctx context.Context, c *admin.Client, _ string) (ids []string, err error) {
		for o, err := range first(completionMax, c.Clients(ctx)) {
			if err != nil {
				return ids, err
			}
			ids = append(ids, o.ID+"\t"+o.Name)
		}
		return ids, nil
	})
}

// newClientRows also shows the secret, if it is new.
func newClientRows(o *admin.NewOAuthClient) [][2]string {
	return append(clientRows(&o.OAuthClient), [2]string{"client_secret", o.ClientSecret})
}

func clientRows(o *admin.OAuthClient) [][2]string {
	return [][2]string{
		{"client_id", o.ID}, {"client_name", o.Name}, {"source", o.Source},
		{"redirect_uris", strings.Join(o.RedirectURIs, " ")}, {"post_logout_redirect_uris", strings.Join(o.PostLogoutRedirectURIs, " ")},
		{"scope", o.Scopes.String()}, {"resources", strings.Join(o.Resources, " ")}, {"allowed_origins", strings.Join(o.AllowedOrigins, " ")},
		{"grant_types", strings.Join(o.GrantTypes, " ")}, {"token_endpoint_auth_method", o.AuthMethod}, {"first_party", yes(o.FirstParty)},
		{"created", whenOrEmpty(o.CreatedAt)}, {"updated", whenOrEmpty(o.UpdatedAt)}, {"last used", whenOrEmpty(o.UsedAt)},
	}
}
