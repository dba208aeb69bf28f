package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
)

func newHealthcheckCommand() *cobra.Command {
	var file, address string
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "exit 0 if the server on this machine is ready, for containers",
		Long: `Ask the server on this machine whether it is ready, and exit with 0 if it is.
Where to ask follows from the configuration; without a file, from the demo set-up of
"authzd serve --dev".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if address != "" {
				return checkHealth(cmd.Context(), address, &tls.Config{})
			}
			configs, err := loadForHealth(file)
			if err != nil { // not wrapped: for a container engine, the code 2 of a bad configuration has no meaning
				return fmt.Errorf("not healthy: %v", err)
			}
			for _, c := range configs {
				// The certificate has the public name, not this machine's, and the request carries no secret.
				if err = checkHealth(cmd.Context(), readyURL(c), &tls.Config{InsecureSkipVerify: true}); err == nil {
					return nil
				}
			}
			return err
		},
	}
	theServer.addConfigFlag(cmd, &file)
	cmd.Flags().StringVar(&address, "url", "", "ask this `URL` instead, such as http://127.0.0.1:9010/readyz")
	return cmd
}

// loadForHealth loads the configuration that the server may have been started with: a file; the environment
// alone; or the demo. The last two have different default addresses.
func loadForHealth(file string) (configs []*config.Config, err error) {
	name, err := configPath(file)
	if err == nil {
		c, err := config.Load(name, os.Environ())
		if err != nil || name != "" {
			return []*config.Config{c}, err
		}
		configs = append(configs, c)
	}
	demo, err := config.LoadDev("", ".", os.Environ())
	return append(configs, demo), err
}

// readyURL is the URL for readiness on the public listener.
func readyURL(c *config.Config) string {
	host, port, _ := net.SplitHostPort(c.Listen) // config has checked it
	switch host {
	case "", "0.0.0.0", "localhost":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	scheme, path := "http", ""
	if c.TLS.CertFile != "" {
		scheme = "https"
	}
	if issuer, err := url.Parse(c.Issuer); err == nil {
		path = issuer.Path
	}
	return scheme + "://" + net.JoinHostPort(host, port) + path + "/readyz"
}

// checkHealth fails unless the URL answers 200 in time.
func checkHealth(ctx context.Context, address string, tlsConfig *tls.Config) error {
	const limit = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || req.URL.Host == "" {
		return usageError{fmt.Errorf("not a URL: %q", address), "write it like http://127.0.0.1:9010/readyz"}
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: tlsConfig},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return hinted{fmt.Errorf("not healthy: %w", err), "is the server running, and does it listen there?"}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("not healthy: %s answered %s: %s", address, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
