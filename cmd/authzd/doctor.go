package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/outbound"
)

func newDoctorCommand() *cobra.Command {
	r, issuer := &remote{}, ""
	cmd := &cobra.Command{
		Use:   "doctor [CORRELATION-ID]",
		Short: "check a set-up from the outside, or explain one failed login",
		Long: `Check a set-up as its clients meet it, through DNS, TLS and every proxy: the issuer, its certificate, its
clock, the keys that it publishes, CORS for the origins of each client, and whether each redirect URI is
known. The clients are those of the running server or, if it cannot be asked, of the configuration. Each
provider that users may sign in with is asked for its keys, and whether it knows the client and its secret.

With the id that an error page shows (X-Request-Id), explain what went wrong there, by the audit log of the
running server.

Nothing is changed. The exit code is 1 if a check has failed.`,
		Example: `  authzd doctor --config /etc/authzd/authzd.yaml
  authzd doctor --issuer https://id.example.com
  authzd doctor 019dadf0-6a3e-7b1c-a1c5-0d9c8c1f6a0e`,
		Args: cobra.MaximumNArgs(1),
	}
	r.addTo(cmd)
	cmd.Flags().StringVar(&issuer, "issuer", "", "check the server at this `URL`, from anywhere; without --admin, its clients are not checked")
	explain := r.run(explainLogin)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return explain(cmd, args)
		}
		if err := r.checkOutput(); err != nil {
			return err
		}
		e, err := r.examination(cmd.Context(), issuer)
		if err != nil {
			return err
		}
		e.p = &printer{w: cmd.OutOrStdout(), json: r.output == "json"}
		return e.run(cmd.Context())
	}
	return cmd
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warning, failed or skipped
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what the operator can do
}

// examination checks one server from the outside. Each check adds its findings.
type examination struct {
	issuer     string
	clients    []client.Metadata
	connectors []connect.Config
	http       *http.Client
	p          *printer
	findings   []finding

	server   serverMetadata // known after checkIssuer
	answered *http.Response // the first answer, its body closed
	latest   time.Time      // when that answer came
}

// serverMetadata is the part of the discovery document that the checks need.
type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	ClientDocuments       bool     `json:"client_id_metadata_document_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
}

// examinationTime is how long one request may take.
const examinationTime = 10 * time.Second

// examination prepares the checks.
func (r *remote) examination(ctx context.Context, issuer string) (*examination, error) {
	e := &examination{issuer: issuer, http: &http.Client{
		Timeout:       examinationTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if issuer != "" {
		if u, err := url.Parse(issuer); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, usageError{fmt.Errorf("--issuer %q is not an http or https URL", issuer), "write it like https://id.example.com, as tokens have it"}
		}
		if r.url == "" {
			e.add("clients", "skipped", "the redirect URIs and origins of clients are not known", "give --config, or --admin")
			return e, nil
		}
		return e, r.runningClients(ctx, e)
	}
	cfg, err := loadConfig(r.file)
	if err != nil {
		return nil, err
	}
	roots, err := outbound.Roots(cfg.Outbound.CAFile)
	if err != nil {
		return nil, err
	}
	e.issuer, e.connectors = cfg.Issuer, newConnectors(cfg.Connectors, roots)
	if r.url != "" {
		return e, r.runningClients(ctx, e)
	}
	if r.runningClients(ctx, e) == nil {
		return e, nil
	}
	e.clients = cfg.Clients
	e.add("clients", "warning", "the server cannot be asked: these are the clients of the configuration",
		"run it where the server runs, as the user that it runs as, or name it by --admin and --token-file")
	return e, nil
}

// runningClients asks the running server for its clients.
func (r *remote) runningClients(ctx context.Context, e *examination) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	for each, err := range c.Clients(ctx) {
		if err != nil {
			return r.explain(err)
		}
		e.clients = append(e.clients, each.Metadata)
	}
	return nil
}

func (e *examination) add(check, result, detail, hint string) {
	e.findings = append(e.findings, finding{check, result, detail, hint})
}

// run does every check, except those that must fail because an earlier one did.
func (e *examination) run(ctx context.Context) error {
	if e.checkIssuer(ctx) {
		e.checkTLS()
		e.checkClock()
		e.checkKeys(ctx)
		e.checkCORS(ctx)
		e.checkRedirectURIs(ctx)
	}
	e.checkConnectors(ctx)
	failed := 0
	for _, f := range e.findings {
		if f.Result == "failed" {
			failed++
		}
	}
	if err := e.print(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(e.findings))
	}
	e.p.done("%s is well", e.issuer)
	return nil
}

func (e *examination) print() error {
	if e.p.json {
		return e.p.encode(e.findings)
	}
	for _, f := range e.findings {
		_, err := fmt.Fprintf(e.p.w, "%-8s %-13s %s\n", f.Result, f.Check, visible(f.Detail))
		if f.Hint != "" {
			_, hintErr := fmt.Fprintf(e.p.w, "%22s hint: %s\n", "", visible(f.Hint))
			err = errors.Join(err, hintErr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
