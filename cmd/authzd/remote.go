package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/weburl"
)

// remote is a running server, as the flags of a command name it: by its admin socket, or by the URL of its
// admin listener and an access token.
type remote struct {
	of                          *program // nil: a server
	file, url, token, tokenFile string
	output                      string
}

// addTo adds the flags to a command and all commands below it.
func (r *remote) addTo(cmd *cobra.Command) {
	if r.of == nil {
		r.of = theServer
	}
	f := cmd.PersistentFlags()
	f.StringVar(&r.file, "config", "", "configuration `file` that names the admin socket (default "+strings.Join(r.of.files, ", else ")+")")
	f.StringVar(&r.url, "admin", "", "the server at this `URL` (admin.listen) in place of the one on this machine, or the path of a socket")
	f.StringVar(&r.token, "token", "", "access `token` for --admin; others on this machine can see it")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the access token for --admin")
	f.StringVarP(&r.output, "output", "o", "table", "`table or json`")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	_ = cmd.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkPersistentFlagFilename("token-file")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// newGroup is a command that has only subcommands, which talk to a server.
func newGroup(use, short string, r *remote, commands ...*cobra.Command) *cobra.Command {
	group := newSubgroup(use, short, commands...)
	r.addTo(group)
	return group
}

// newSubgroup is a group within a group, and has the group's flags.
func newSubgroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return usageError{errors.New("which of its commands?"), `see "` + cmd.CommandPath() + ` --help"`}
	}}
	group.AddCommand(commands...)
	return group
}

func (r *remote) checkOutput() error {
	if r.output != "table" && r.output != "json" {
		return usageError{fmt.Errorf("unknown output %q", r.output), "choose table or json"}
	}
	return nil
}

// run makes the action of a command from a function that talks to the server.
func (r *remote) run(do func(ctx context.Context, c *admin.Client, p *printer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := r.checkOutput(); err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		return r.explain(do(cmd.Context(), c, &printer{w: cmd.OutOrStdout(), json: r.output == "json"}, args))
	}
}

// client returns a client for the server.
func (r *remote) client() (*admin.Client, error) {
	if r.url == "" {
		if r.token != "" || r.tokenFile != "" {
			return nil, usageError{errors.New("a token without --admin"), "the admin socket needs no token; name the URL of another server by --admin"}
		}
		socket, err := r.socket()
		return &admin.Client{Socket: socket}, err
	}
	if !strings.Contains(r.url, "://") {
		return &admin.Client{Socket: r.url}, nil
	}
	if err := safeURL(r.url); err != nil {
		return nil, err
	}
	token := r.token
	if r.tokenFile != "" {
		text, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token == "" {
		return nil, usageError{errors.New("--admin without a token"), "give an access token with the scope " + admin.Scope + " by --token-file"}
	}
	return &admin.Client{URL: r.url, Token: token}, nil
}

// safeURL refuses to send a token over a connection that others could read.
func safeURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return usageError{fmt.Errorf("--admin %q is not an http or https URL", raw), "write it like https://id.example.com:9011"}
	}
	if weburl.IsSecure(u) {
		return nil
	}
	return usageError{errors.New("--admin with plain http would show the token to the network"), "use https, or a tunnel to 127.0.0.1"}
}

// socket returns the socket of the configuration, or the server's default.
func (r *remote) socket() (string, error) {
	cfg, err := r.of.load(r.file)
	if errors.Is(err, errNoConfig) && r.file == "" {
		return r.of.socket, nil
	} else if err != nil {
		return "", err
	}
	return cfg.Admin.Socket, nil
}

// explain adds a hint to an error.
func (r *remote) explain(err error) error {
	var problem *admin.Problem
	var op *net.OpError
	switch {
	case errors.As(err, &problem):
		return explainProblem(problem)
	case !errors.As(err, &op): // of this machine, such as a file that can't be written
		return err
	case errors.Is(err, fs.ErrPermission):
		return hinted{err, "the admin socket is for the user that the server runs as: try sudo -u with that user"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return hinted{fmt.Errorf("no server answers: %w", err), "is it running? --config names its configuration, --admin its socket or URL"}
	}
	return hinted{err, "is the server running, and is --admin the address of its admin.listen?"}
}

// explainProblem writes the server's problems with a request, one line for each member.
func explainProblem(p *admin.Problem) error {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	text = strings.TrimSuffix(text, ".")
	if text != "" {
		text = strings.ToLower(text[:1]) + text[1:]
	}
	hint := p.Hint
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n  %s: %s", strings.ReplaceAll(strings.TrimPrefix(e.Pointer, "/"), "/", "."), e.Detail)
		if hint == "" {
			hint = e.Hint
		}
	}
	if p.RequestID != "" && p.Status >= 500 {
		text += "\n  request id: " + p.RequestID
	}
	switch {
	case hint != "":
	case p.Code == admin.CodeUnauthorized:
		hint = "the token must be from this server, with the scope " + admin.Scope + ", and not expired"
	case p.Code == admin.CodeForbidden:
		hint = "get the token with scope=" + admin.Scope + " and the admin API as its resource; if it is a user's, give the user the role " + admin.Scope
	case p.Code == admin.CodePreconditionFailed:
		hint = "somebody else has changed it meanwhile: look again, then try again"
	case p.Code == admin.CodeUnavailable:
		hint = "see the server's /readyz for the failing part, and its log for the reason"
	}
	return hinted{fmt.Errorf("%s: %s", p.Code, text), hint}
}

const (
	// completionTime bounds the wait after a press of the tab key.
	completionTime = 2 * time.Second
	// completionMax bounds how many records are read for it.
	completionMax = 200
)

// complete makes the completion of an argument from a function that lists the server's records, each as
// "id\tdescription".
func (r *remote) complete(list func(ctx context.Context, c *admin.Client, begun string) ([]string, error)) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := r.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		all, err := list(ctx, c, begun)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var found []string
		for _, each := range all {
			if strings.HasPrefix(each, begun) {
				found = append(found, each)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
