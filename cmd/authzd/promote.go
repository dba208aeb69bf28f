package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage/ship"
)

func newPromoteCommand(of *program) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "promote",
		Short: "make this machine the primary: its standby serves, and the old primary writes no more",
		Long: `Have the standby that runs on this machine take over: it takes in all that was shipped, makes sure that
the old primary can ship nothing more and will stop serving when it notices, and serves. What the old
primary had not shipped yet is lost: about the last second.

If nothing runs here, the database of the configuration (one that was restored, for example) becomes the
one that may be served and shipped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := of.loadShipping(file)
			if err != nil {
				return err
			}
			p, running, err := promote(cmd.Context(), cfg.Keeping)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if running {
				if err := waitServing(cmd.Context(), cfg.Keeping, p); err != nil {
					return err
				}
			}
			if p.Before != "" {
				fmt.Fprintf(out, "took over from %s\n", p.Before)
			}
			if !running {
				fmt.Fprintf(out, "this machine is the primary of epoch %d: start it with \"%s\"\n", p.Epoch, of.start)
				return nil
			}
			fmt.Fprintf(out, "this machine is the primary of epoch %d, with what was shipped until %s\n", p.Epoch, p.Until.Local().Format("2006-01-02 15:04:05.000"))
			fmt.Fprintln(out, "it serves")
			return nil
		},
	}
	of.addConfigFlag(cmd, &file)
	return cmd
}

// promote asks the running standby, or takes over for a database that no process has open.
func promote(ctx context.Context, cfg *config.Keeping) (p ship.Promotion, running bool, err error) {
	if cfg.Admin.Socket != "" {
		if conn, err := net.Dial("unix", cfg.Admin.Socket); err == nil {
			conn.Close()
			p, err = askToPromote(ctx, cfg.Admin.Socket)
			return p, true, err
		}
	}
	store, err := openBoltOffline(cfg.Storage.Bolt.Path)
	if err != nil {
		return p, false, err
	}
	defer store.Close() // nothing was written
	to, err := openDestination(cfg, cfg.Storage.Bolt.Ship.To)
	if err != nil {
		return p, false, err
	}
	p, err = ship.TakeOver(ctx, to, shipFolder(cfg))
	if errors.As(err, new(*ship.FencedError)) {
		err = hinted{fmt.Errorf("this machine was not promoted: %w", err), "make sure that the other one serves"}
	}
	if errors.Is(err, ship.ErrStandby) {
		err = hinted{err, `start it with "authzd standby", then promote it`}
	}
	return p, false, err
}

// overSocket is a client of the server behind a Unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
}

func askToPromote(ctx context.Context, socket string) (p ship.Promotion, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://authzd/promote", nil)
	if err != nil {
		return p, err
	}
	resp, err := overSocket(socket).Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return p, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return p, json.Unmarshal(body, &p)
	case http.StatusServiceUnavailable:
		var failed promotionFailed
		if json.Unmarshal(body, &failed) == nil && failed.Lost {
			return p, hinted{fmt.Errorf("this machine was not promoted: %s", failed.Error), "make sure that the other one serves; if it is gone too, try again in a minute"}
		}
		if failed.Error != "" {
			return p, hinted{errors.New(failed.Error), `nothing is served yet; correct it and try again, or restore with "authzd restore --from" to the last possible moment`}
		}
	}
	return p, hinted{fmt.Errorf("the authzd on %s is not a standby", socket), `start it with "authzd standby"`}
}

// waitServing waits until the former standby serves, or another one has taken over from it.
func waitServing(ctx context.Context, cfg *config.Keeping, p ship.Promotion) error {
	to, err := openDestination(cfg, cfg.Storage.Bolt.Ship.To)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := overSocket(cfg.Admin.Socket)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://authzd/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := ship.CheckPromoted(ctx, to, p); errors.As(err, new(*ship.FencedError)) {
			return hinted{fmt.Errorf("this machine was promoted, and has lost that again: %w", err), "make sure that the other one serves"}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return hinted{errors.New("it has taken over, and does not serve yet"), "look into its log"}
		}
	}
}
