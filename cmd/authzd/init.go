package main

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/config"
)

//go:embed init.yaml
var initYAML string

var initTemplate = template.Must(template.New("init.yaml").Parse(initYAML))

// answers are the input of the new configuration.
type answers struct {
	Issuer, Listen        string
	Data                  string // folder of the database and the secret
	Username              string // of the first user; empty: none
	Password              string // made for that user
	PasswordHash          string
	ClientID, RedirectURI string // of the first client; no redirect URI: there is none
	GoogleClientID        string // empty: without Google
	GoogleSecret          string // typed in
	GoogleSecretFile      string // or in a file
}

// PostLogoutRedirectURI is the front page of the first client.
func (a *answers) PostLogoutRedirectURI() (string, error) {
	u, err := url.Parse(a.RedirectURI)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host + "/", nil
}

// render writes the configuration.
func (a *answers) render() []byte {
	var b strings.Builder
	if err := initTemplate.Execute(&b, a); err != nil {
		panic(err) // only a mistake in init.yaml can get here
	}
	return []byte(b.String())
}

// question is one required answer, given by a flag or at the terminal.
type question struct {
	flag     string // without the hyphens; empty: only asked at the terminal
	text     string
	answer   *string
	fallback string // offered at the terminal
	key      string // of the configuration, where mistakes in the answer are found
	hidden   bool   // not shown while it is typed
	optional bool   // may stay empty
	rule     func(answer string) (reason, hint string)
	needed   func(a *answers) bool // nil: always
}

func questions(a *answers) []question {
	google := func(a *answers) bool { return a.GoogleClientID != "" }
	return []question{
		{flag: "issuer", text: "public `URL` of this server, such as https://id.example.com", answer: &a.Issuer, key: "issuer"},
		{flag: "listen", text: "`address` to listen on", answer: &a.Listen, fallback: ":9010", key: "listen"},
		{flag: "user", text: "`name` of the first user", answer: &a.Username, fallback: "admin", key: "users[0].username"},
		{flag: "redirect-uri", text: "`URL` where the first app, one in the browser, takes the code, such as https://app.example.com/callback, or nothing", answer: &a.RedirectURI, optional: true, key: "clients[0].redirect_uris"},
		{flag: "client-id", text: "`id` of that app, a short word", answer: &a.ClientID, fallback: "spa", key: "clients[0].client_id", rule: noURL,
			needed: func(a *answers) bool { return a.RedirectURI != "" }},
		{flag: "google-client-id", text: "`client id` for signing in with Google, or nothing", answer: &a.GoogleClientID, optional: true, key: "connectors[0].client_id"},
		{text: "client secret of Google", answer: &a.GoogleSecret, hidden: true, key: "connectors[0].client_secret",
			needed: func(a *answers) bool { return google(a) && a.GoogleSecretFile == "" }},
		{flag: "google-client-secret-file", text: "`file` with the client secret of Google", answer: &a.GoogleSecretFile, optional: true,
			key: "connectors[0].client_secret_file", needed: func(a *answers) bool { return google(a) && a.GoogleSecret == "" }},
	}
}

// noURL refuses a URL in place of a name.
func noURL(answer string) (reason, hint string) {
	if strings.Contains(answer, "://") {
		return "is a URL, not a name", "choose a short word, such as spa; the app sends it as its client_id"
	}
	return "", ""
}

func newInitCommand() *cobra.Command {
	var (
		file, domain string
		a            answers
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write a commented configuration for production",
		Long: `Write a commented configuration for production, with a first user whose password is shown once. What no flag
says is asked on the terminal; where there is none, --domain is enough. A file that exists is never overwritten.`,
		Example: `  authzd init --domain id.example.com
  docker run --rm --volume authzd-data:/data authzd init --domain id.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Lstat(file); err == nil {
				return alreadyThere(file)
			}
			if err := a.setDomain(domain); err != nil {
				return err
			}
			if err := gather(cmd, &a); err != nil {
				return err
			}
			if err := a.place(file); err != nil {
				return err
			}
			a.makePassword()
			text := a.render()
			if _, err := config.Parse(file, text, nil); err != nil {
				return blameFlags(err, questions(&a))
			}
			if err := breaksRules(&a); err != nil {
				return err
			}
			if err := writeNew(file, text); err != nil {
				return err
			}
			a.report(cmd.OutOrStdout(), file)
			return nil
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "`name` of the host that clients reach this server at, by https: in place of --issuer")
	cmd.Flags().StringVar(&file, "config", "authzd.yaml", "`file` to write")
	cmd.Flags().StringVar(&a.Data, "data", "", "`folder` of the database and the secret (default authzd-data beside the file, or /var/lib/authzd for a file in /etc)")
	for _, q := range questions(&a) {
		if q.flag != "" {
			cmd.Flags().StringVar(q.answer, q.flag, "", q.text)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("domain", "issuer")
	return cmd
}

// setDomain makes the issuer from a host's name.
func (a *answers) setDomain(domain string) error {
	if strings.ContainsAny(domain, ":/?#@ ") {
		return usageError{fmt.Errorf("--domain %q is not the name of a host", domain), "write it like id.example.com; --issuer takes a whole URL"}
	}
	if domain != "" {
		a.Issuer = "https://" + domain
	}
	return nil
}

// report prints what was written and the next steps.
func (a *answers) report(out io.Writer, file string) {
	fmt.Fprintf(out, "wrote %s\n", file)
	if a.Username != "" {
		fmt.Fprintf(out, "first user: %s, password: %s (note it now: the file has only its hash)\n", a.Username, a.Password)
	}
	if a.GoogleClientID != "" {
		fmt.Fprintf(out, "redirect URI to enter at Google: %s/callback/google\n", a.Issuer)
	}
	fmt.Fprintf(out, "next: read it, then authzd serve --config %s\n", file)
	if a.RedirectURI == "" {
		fmt.Fprintf(out, "      then an app: authzd client create spa --preset spa --redirect-uri https://app.example.com/callback --config %s\n", file)
	}
}

// place makes the names of files absolute, so that the configuration means the same in any folder.
func (a *answers) place(file string) (err error) {
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	switch {
	case a.Data != "":
	case strings.HasPrefix(file, "/etc/"):
		a.Data = "/var/lib/authzd"
	default:
		a.Data = filepath.Join(filepath.Dir(file), "authzd-data")
	}
	if a.Data, err = filepath.Abs(a.Data); err == nil && a.GoogleSecretFile != "" {
		a.GoogleSecretFile, err = filepath.Abs(a.GoogleSecretFile)
	}
	return err
}

// makePassword gives the first user a password.
func (a *answers) makePassword() {
	if a.Username != "" {
		a.Password = rand.Text()
		a.PasswordHash = passhash.New([]byte(a.Password))
	}
}

// breaksRules returns the error of a flag with an invalid value.
func breaksRules(a *answers) error {
	for _, q := range questions(a) {
		if q.rule == nil || *q.answer == "" {
			continue
		}
		if reason, hint := q.rule(*q.answer); reason != "" {
			return usageError{fmt.Errorf("--%s %q %s", q.flag, *q.answer, reason), hint}
		}
	}
	return nil
}

// gather asks on the terminal for everything that no flag has set. Without a terminal, a flag or a fallback
// must have set it.
func gather(cmd *cobra.Command, a *answers) error {
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		return (&prompt{ctx: cmd.Context(), in: os.Stdin, out: cmd.ErrOrStderr()}).askAll(cmd, a)
	}
	var missing []string
	for _, q := range questions(a) {
		if *q.answer != "" || q.optional || q.flag == "" || cmd.Flags().Changed(q.flag) || q.needed != nil && !q.needed(a) {
			continue
		}
		if *q.answer = q.fallback; q.fallback == "" {
			missing = append(missing, "--"+q.flag)
		}
	}
	if a.ClientID != "" && a.RedirectURI == "" {
		missing = append(missing, "--redirect-uri")
	}
	if a.GoogleClientID != "" && a.GoogleSecretFile == "" {
		missing = append(missing, "--google-client-secret-file")
	}
	if missing != nil {
		hint := "give " + strings.Join(missing, ", ")
		if a.Issuer == "" {
			hint = "give --domain" + strings.TrimPrefix(hint, "give --issuer") + ", such as --domain id.example.com"
		}
		return usageError{errors.New("there is no terminal to ask on, and some answers are missing"), hint}
	}
	return nil
}

// mistakes returns what the configuration finds wrong with the answer to one question.
func mistakes(a *answers, q question) config.Errors {
	_, err := config.Parse("", a.render(), nil)
	var errs, found config.Errors
	errors.As(err, &errs)
	for _, e := range errs {
		if strings.HasPrefix(e.Key, q.key) {
			found = append(found, e)
		}
	}
	if q.rule != nil && found == nil {
		if reason, hint := q.rule(*q.answer); reason != "" {
			found = append(found, &config.Error{Reason: reason, Hint: hint})
		}
	}
	return found
}

// blameFlags names the flag instead of the line of a file that was not written.
func blameFlags(err error, qs []question) error {
	var errs config.Errors
	if !errors.As(err, &errs) {
		return err
	}
	for _, e := range errs {
		for _, q := range qs {
			if q.flag != "" && strings.HasPrefix(e.Key, q.key) {
				e.File, e.Line, e.Key = "", 0, "--"+q.flag
			}
		}
	}
	return errs
}

func alreadyThere(file string) error {
	return usageError{fmt.Errorf("%s exists already", file), "name another with --config, or move it away"}
}

// writeNew writes a new file, for its owner only, because it may hold a secret.
func writeNew(name string, text []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return alreadyThere(name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
