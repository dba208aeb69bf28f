package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
)

func newAuditCommand(of *program) *cobra.Command {
	r := &remote{of: of}
	return newGroup("audit", "the audit log: verify, list, export", r, newAuditVerifyCommand(r), newAuditListCommand(r), newAuditExportCommand(r))
}

func newAuditListCommand(r *remote) *cobra.Command {
	var query admin.AuditQuery
	var since, until, user string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list events, the newest last",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) (err error) {
			if query.Since, err = moment(since); err != nil {
				return err
			}
			if query.Until, err = moment(until); err != nil {
				return err
			}
			if query.Sub, err = subIfKnown(ctx, c, user); err != nil {
				return err
			}
			var events []*admin.AuditEvent
			for e, err := range c.AuditEvents(ctx, query) {
				if err != nil {
					return err
				}
				if events = append(events, e); len(events) == limit {
					break
				}
			}
			slices.Reverse(events)
			all := func(yield func(*admin.AuditEvent, error) bool) {
				for _, e := range events {
					if !yield(e, nil) {
						return
					}
				}
			}
			return printAll(p, all, []string{"TIME", "TYPE", "OUTCOME", "ACTOR", "ABOUT", "FROM", "DETAILS"}, auditRow)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "only from this `time` on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 24h")
	f.StringVar(&until, "until", "", "only before this `time`, in the same forms")
	f.StringVar(&query.Type, "type", "", "only of this `type`, or with this beginning, such as user.")
	f.StringVar(&query.Outcome, "outcome", "", "only with this `outcome`: success, failure, denied or alarm")
	f.StringVar(&query.Actor, "actor", "", "only done by this `id`")
	f.StringVar(&query.ClientID, "client", "", "only about this client `id`")
	f.StringVar(&user, "user", "", "only about this `user`, by username or sub")
	f.StringVar(&query.GID, "grant", "", "only about this grant `id`")
	f.StringVar(&query.SID, "session", "", "only about this session `id`")
	f.StringVar(&query.RequestID, "request", "", "only of this request `id`")
	f.IntVarP(&limit, "limit", "n", 100, "only the newest `n` of them")
	_ = cmd.RegisterFlagCompletionFunc("user", r.completeUsers())
	_ = cmd.RegisterFlagCompletionFunc("client", r.completeClients())
	return cmd
}

// subIfKnown is subOf for users who may have been deleted: their id still names them.
func subIfKnown(ctx context.Context, c *admin.Client, name string) (string, error) {
	sub, err := subOf(ctx, c, name)
	if gone := new(admin.Problem); errors.As(err, &gone) && gone.Code == admin.CodeNotFound {
		return name, nil
	}
	return sub, err
}

func auditRow(e *admin.AuditEvent) []string {
	var about, details []string
	for _, id := range [][2]string{{"client", e.ClientID}, {"user", e.UserID}, {"grant", e.GrantID}, {"session", e.SessionID}} {
		if id[1] != "" && id[1] != e.Actor.ID {
			about = append(about, id[0]+":"+id[1])
		}
	}
	for name, value := range e.Details {
		details = append(details, name+"="+value)
	}
	slices.Sort(details)
	return []string{when(e.Time), e.Type, e.Outcome, strings.TrimSuffix(e.Actor.Kind+":"+e.Actor.ID, ":"),
		strings.Join(about, " "), e.Remote, strings.Join(details, " ")}
}

// moment reads a time or an age.
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("%q is not a time", s), "write it like 2026-01-31, 2026-01-31T12:00:00Z, or as an age like 24h"}
}

func newAuditExportCommand(r *remote) *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "write the log as JSON Lines that \"audit verify FILE\" can check",
		Long: `Write the log as JSON Lines, to a file that is not there yet or to standard output: one line for the
seal of each block, and one for each of its events. With --since, whole blocks from then on.`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.RunE = r.run(func(ctx context.Context, c *admin.Client, p *printer, args []string) (err error) {
		from, err := moment(since)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return c.ExportAuditLog(ctx, p.w, from)
		}
		file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			return hinted{fmt.Errorf("%s exists already", args[0]), "name another file, or move it away"}
		} else if err != nil {
			return err
		}
		if err = errors.Join(c.ExportAuditLog(ctx, file, from), file.Sync(), file.Close()); err != nil {
			return errors.Join(err, os.Remove(args[0]))
		}
		return nil
	})
	cmd.Flags().StringVar(&since, "since", "", "only from this `time` on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 24h")
	return cmd
}

func newAuditVerifyCommand(r *remote) *cobra.Command {
	var head string
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "check that nobody has changed the log, or an exported file",
		Long: `Check that nobody has changed the log: that no event was edited, dropped, added or moved since the
server sealed it. It prints the head, a number and a hash that vouch for all that was checked. Kept
elsewhere and given back by --head, they show later that the log was not put back.

A file is checked by its hashes alone; that it is the server's, its head tells.`,
		Args: cobra.MaximumNArgs(1),
	}
	verify := r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
		pin, err := parseHead(head)
		if err != nil {
			return err
		}
		progress := newProgress(cmd.ErrOrStderr())
		report, err := c.VerifyAuditLog(ctx, pin, func(so *admin.AuditReport) { progress.show("verify", int64(so.Events), 0) })
		progress.end()
		if err != nil {
			return err
		}
		return p.verified(report)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return verify(cmd, args)
		}
		if err := r.checkOutput(); err != nil {
			return err
		}
		pin, err := parseHead(head)
		if err != nil {
			return err
		}
		report, err := verifyFile(args[0], pin)
		if err != nil {
			return err
		}
		return (&printer{w: cmd.OutOrStdout(), json: r.output == "json"}).verified(report)
	}
	cmd.Flags().StringVar(&head, "head", "", "a `NUMBER:HASH` that was printed before: it must still be in the log")
	return cmd
}

func parseHead(s string) (pin admin.AuditPoint, err error) {
	if s == "" {
		return pin, nil
	}
	number, hash, _ := strings.Cut(s, ":")
	if pin.Number, err = strconv.Atoi(number); err != nil || pin.Number < 1 || hash == "" {
		return pin, usageError{fmt.Errorf("--head %q is not a head", s), "write it as it was printed: 1234:5f0c…"}
	}
	pin.Hash = hash
	return pin, nil
}

// verifyFile checks an export.
func verifyFile(name string, pin admin.AuditPoint) (*admin.AuditReport, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	pinned := ""
	found, err := audit.VerifyExport(file, func(number int, hash string) {
		if number == pin.Number {
			pinned = hash
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	report := &admin.AuditReport{
		First: pointOf(found.First), Last: pointOf(found.Last), Blocks: found.Blocks, Events: found.Events, Problems: []admin.AuditProblem{},
	}
	switch {
	case pin.Number == 0 || pinned == pin.Hash:
	case pinned == "":
		report.Problems = append(report.Problems, admin.AuditProblem{Block: pin.Number, Reason: "the block with the given hash is not in the file"})
	default:
		report.Problems = append(report.Problems, admin.AuditProblem{Block: pin.Number, Reason: "it does not have the given hash"})
	}
	for _, p := range found.Problems {
		report.Problems = append(report.Problems, admin.AuditProblem(p))
	}
	return report, nil
}

func pointOf(p audit.Point) admin.AuditPoint {
	return admin.AuditPoint{Number: p.Number, Hash: p.Hash, Sealed: &p.Sealed}
}

// verified prints a report, and fails if it has problems.
func (p *printer) verified(report *admin.AuditReport) error {
	if p.json {
		if err := p.encode(report); err != nil {
			return err
		}
	} else if report.Blocks == 0 {
		p.done("the log is empty")
	} else {
		p.done("checked %d events in %d blocks, from block %d (%s) to block %d (%s)", report.Events, report.Blocks,
			report.First.Number, whenOrEmpty(report.First.Sealed), report.Last.Number, whenOrEmpty(report.Last.Sealed))
		if report.First.Number > 1 {
			p.done("older blocks are not in it: the server drops them as audit.keep says, and --since leaves them out of an export")
		}
		p.done("head %d:%s", report.Last.Number, report.Last.Hash)
	}
	if len(report.Problems) == 0 {
		return nil
	}
	text := "the audit log was changed"
	for _, problem := range report.Problems {
		text += fmt.Sprintf("\n  block %d: %s", problem.Block, problem.Reason)
	}
	return hinted{errors.New(text), "keep the database unchanged for an investigation; the blocks before the first of these are whole"}
}
