package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newKeyCommand() *cobra.Command {
	r := &remote{}
	return newGroup("key", "signing keys: list, rotate", r, newKeyListCommand(r), newKeyRotateCommand(r))
}

var keyColumns = []string{"KID", "ALG", "STATUS", "SIGNS FROM", "RETIRES"}

func keyRow(k *admin.SigningKey) []string {
	return []string{k.KID, k.Alg, k.Status, when(k.SignFrom), whenOrEmpty(k.RetiresAt)}
}

func newKeyListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "list the signing keys that are published",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			return printAll(p, c.Keys(ctx), keyColumns, keyRow)
		}),
	}
}

func newKeyRotateCommand(r *remote) *cobra.Command {
	var alg string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "announce new signing keys now; they sign after signing.announce",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			keys, err := c.RotateKeys(ctx, admin.RotateKeys{Alg: alg})
			if err != nil {
				return err
			}
			return printAll(p, func(yield func(*admin.SigningKey, error) bool) {
				for i := range keys.Items {
					if !yield(&keys.Items[i], nil) {
						return
					}
				}
			}, keyColumns, keyRow)
		}),
	}
	cmd.Flags().StringVar(&alg, "alg", "", "only of this `algorithm`, such as RS256")
	return cmd
}
