package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
)

func newUserCommand() *cobra.Command {
	r := &remote{}
	return newGroup("user", "users: create, invite, list, show, update, disable, delete, set-password, unlock, identity, network", r,
		newUserCreateCommand(r), newUserListCommand(r), newUserShowCommand(r), newUserUpdateCommand(r),
		newUserInviteCommand(r), newUserDisableCommand(r), newUserDeleteCommand(r), newUserSetPasswordCommand(r), newUserUnlockCommand(r),
		newUserIdentityCommand(r), newUserNetworkCommand(r), newUserFactorCommand(r), newUserDeviceCommand(r))
}

// userMembers are the members of a user that have a flag.
var userMembers = members{
	{flag: "name", text: "full `name`"},
	{flag: "email", text: "e-mail `address`"},
	{flag: "email-verified", text: "the address is proved to be theirs", kind: asBool},
	{flag: "role", member: "roles", text: "`role` in access tokens; may be repeated", kind: asList},
	{flag: "group", member: "groups", text: "`group`; may be repeated", kind: asList},
	{flag: "disabled", text: "may not sign in, and is signed out everywhere", kind: asBool},
}

func newUserCreateCommand(r *remote) *cobra.Command {
	var password, none bool
	flags := userMembers.flags()
	cmd := &cobra.Command{
		Use:   "create USERNAME",
		Short: "create a user",
		Long: `Create a user. With --password, one is asked for on the terminal; without a terminal, the first
line of standard input is it. A user without a password signs in by an upstream provider; if standard
input has something, --no-password has to say that none was meant.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		said, err := flags.said(cmd)
		if err != nil {
			return err
		}
		var u admin.NewUser
		if err := said.into(&u); err != nil {
			return err
		}
		u.Username = args[0]
		if !password && !none && piped() {
			return usageError{errors.New("something is piped in, but --password is not given"), "--password reads it; --no-password makes a user without one"}
		}
		if password {
			if u.Password, err = newPassword(cmd); err != nil {
				return err
			}
		}
		created, err := c.CreateUser(ctx, u)
		if err != nil {
			return err
		}
		if !password && !none {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: user %s has no password: they sign in by an upstream provider, or after \"authzd user set-password %[1]s\"\n", created.Username)
		}
		return p.value(created, userRows(created))
	})
	cmd.Flags().BoolVar(&password, "password", false, "ask for a password, or read it from standard input")
	cmd.Flags().BoolVar(&none, "no-password", false, "make a user without a password")
	cmd.MarkFlagsMutuallyExclusive("password", "no-password")
	flags.add(cmd)
	return cmd
}

func newUserListCommand(r *remote) *cobra.Command {
	var query admin.UserQuery
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list users",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
		err := printAll(p, c.Users(ctx, query), []string{"SUB", "USERNAME", "NAME", "EMAIL", "ROLES", "DISABLED"}, func(u *admin.User) []string {
			return []string{u.Sub, u.Username, u.Name, u.Email, strings.Join(u.Roles, " "), yes(u.Disabled)}
		})
		if err != nil || query != (admin.UserQuery{}) {
			return err
		}
		for left, err := range c.LeftUsers(ctx) {
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "note: user %s of the configuration file deleted the account on %s; the file does not make it again\n", left.Username, left.LeftAt.Format(time.DateOnly))
		}
		return nil
	})
	cmd.Flags().StringVar(&query.Username, "username", "", "only those whose username begins with this `text`")
	cmd.Flags().StringVar(&query.Email, "email", "", "only those whose e-mail address begins with this `text`")
	cmd.MarkFlagsMutuallyExclusive("username", "email")
	return cmd
}

func newUserShowCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "show USER",
		Short:             "show a user, by username or sub",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(_ context.Context, _ *admin.Client, p *printer, u *admin.User, _ []string) error {
			return p.value(u, userRows(u))
		}),
	}
}

func newUserUpdateCommand(r *remote) *cobra.Command {
	flags := userMembers.flags()
	cmd := &cobra.Command{
		Use:               "update USER",
		Short:             "change the members of a user that the flags name",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		said, err := flags.said(cmd)
		if err != nil {
			return err
		}
		if len(said) == 0 {
			return nothingSaid(cmd)
		}
		u, err := findUser(ctx, c, args[0])
		if err != nil {
			return err
		}
		if u, err = c.UpdateUser(ctx, u.Sub, u.ETag, said); err != nil {
			return err
		}
		return p.value(u, userRows(u))
	})
	flags.add(cmd)
	return cmd
}

func newUserDisableCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "disable USER",
		Short:             "sign a user out everywhere, and refuse further sign-ins",
		Long:              "Sign a user out everywhere, and refuse further sign-ins. To undo it, use user update --disabled=false.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			disabled, err := c.UpdateUser(ctx, u.Sub, "", map[string]any{"disabled": true})
			if err != nil {
				return err
			}
			if p.json {
				return p.encode(disabled)
			}
			p.done("disabled user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}

func newUserDeleteCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "delete USER",
		Short:             "delete a user, with sessions and grants",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			if err := c.DeleteUser(ctx, u.Sub, u.ETag); err != nil {
				return err
			}
			p.done("deleted user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}

func newUserSetPasswordCommand(r *remote) *cobra.Command {
	var keep, link bool
	cmd := &cobra.Command{
		Use:   "set-password USER",
		Short: "set a user's password, and sign them out everywhere",
		Long: `Set a user's password. Every session and every grant of theirs ends, unless --keep-sessions
is given: somebody else may know the old password, and may be signed in with it. The password is asked
for on the terminal; without a terminal, the first line of standard input is it. A hash that authzd knows
is taken as it is.

With --send-link the user gets a mail with a link, and chooses the password: nobody else knows it. Nothing
ends before they do.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
	}
	cmd.RunE = r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
		if link {
			if err := c.SendUserLink(ctx, u.Sub); err != nil {
				return err
			}
			p.done("sent a link to %s, the address of user %s (%s)", u.Email, u.Username, u.Sub)
			return nil
		}
		password, err := newPassword(cmd)
		if err != nil {
			return err
		}
		if err := c.SetUserPassword(ctx, u.Sub, admin.SetPassword{Password: password, KeepSessions: keep}); err != nil {
			return err
		}
		if keep {
			p.done("set the password of user %s (%s); sessions and grants stay", u.Username, u.Sub)
		} else {
			p.done("set the password of user %s (%s), and ended their sessions and grants", u.Username, u.Sub)
		}
		return nil
	})
	cmd.Flags().BoolVar(&keep, "keep-sessions", false, "don't end the user's sessions and grants")
	cmd.Flags().BoolVar(&link, "send-link", false, "send the user a mail with a link to choose the password")
	cmd.MarkFlagsMutuallyExclusive("keep-sessions", "send-link")
	return cmd
}

func newUserUnlockCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "unlock USER",
		Short: "forgive a user's wrong passwords",
		Long: `Forgive the wrong passwords that were tried for a user, under all their names, so that they can sign in
again at once. The limit of an address that guessed at many users stays used up.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.completeUsers(),
		RunE: r.onUser(func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, _ []string) error {
			if err := c.UnlockUser(ctx, u.Sub); err != nil {
				return err
			}
			p.done("unlocked user %s (%s)", u.Username, u.Sub)
			return nil
		}),
	}
}

// onUser runs a function with the user whom the first argument names. It also gets the other arguments.
func (r *remote) onUser(do func(ctx context.Context, c *admin.Client, p *printer, u *admin.User, args []string) error) func(*cobra.Command, []string) error {
	return r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) error {
		u, err := findUser(ctx, c, args[0])
		if err != nil {
			return err
		}
		return do(ctx, c, p, u, args[1:])
	})
}

// findUser returns a user by sub or, if no user has that sub, by username. If somebody's username is another
// user's sub, the sub wins. Nobody can choose a sub, so the name in a script never means somebody else.
func findUser(ctx context.Context, c *admin.Client, name string) (*admin.User, error) {
	if uuid.Validate(name) == nil {
		none := new(admin.Problem)
		if u, err := c.GetUser(ctx, name); !errors.As(err, &none) || none.Code != admin.CodeNotFound {
			return u, err
		}
	}
	for u, err := range first(1, c.Users(ctx, admin.UserQuery{Username: name})) {
		if err != nil || strings.EqualFold(u.Username, name) {
			return u, err
		}
	}
	return nil, hinted{fmt.Errorf("no user has the sub or the username %q", name), `"authzd user list" shows all`}
}

// subOf is findUser for an optional user.
func subOf(ctx context.Context, c *admin.Client, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	u, err := findUser(ctx, c, name)
	if err != nil {
		return "", err
	}
	return u.Sub, nil
}

func (r *remote) completeUsers() func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return r.complete(func(ctx context.Context, c *admin.Client, begun string) (names []string, err error) {
		for u, err := range first(completionMax, c.Users(ctx, admin.UserQuery{Username: begun})) {
			if err != nil {
				return names, err
			}
			names = append(names, u.Username+"\t"+u.Sub)
		}
		return names, nil
	})
}

func userRows(u *admin.User) [][2]string {
	email := u.Email
	if u.EmailVerified {
		email += " (verified)"
	}
	return [][2]string{
		{"sub", u.Sub}, {"username", u.Username}, {"name", u.Name}, {"email", email}, {"roles", strings.Join(u.Roles, " ")},
		{"groups", strings.Join(u.Groups, " ")}, {"password", passwordOf(u)}, {"disabled", yes(u.Disabled)},
		{"created", when(u.CreatedAt)}, {"updated", when(u.UpdatedAt)},
	}
}

// passwordOf says whether a user has a password.
func passwordOf(u *admin.User) string {
	if !u.PasswordEndedAt.IsZero() {
		return "ended by too many wrong ones, " + when(u.PasswordEndedAt)
	}
	return yes(u.HasPassword)
}

func nothingSaid(cmd *cobra.Command) error {
	return usageError{errors.New("nothing to change"), `name the changes by flags: see "` + cmd.CommandPath() + ` --help"`}
}

// userName names a user by name, or by sub if they no longer exist.
func userName(name, sub string) string {
	if name == "" {
		return sub
	}
	return name
}
