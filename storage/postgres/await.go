package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// awaitEvery is the pause between two attempts to find a server.
	awaitEvery = 500 * time.Millisecond
	// awaitSay is how often the log reports that the server is still away.
	awaitSay = 10 * time.Second
)

// awaitDatabase is prepareDatabase, repeated while the server is away and there is time.
func awaitDatabase(ctx context.Context, config *pgx.ConnConfig, opts Options) (pooler bool, err error) {
	begun := time.Now()
	end, say := begun.Add(opts.StartTimeout), begun
	for {
		pooler, err = prepareDatabase(ctx, config.Copy(), opts.Logger)
		now := time.Now()
		if err == nil || ctx.Err() != nil || !isAway(err) || !now.Add(awaitEvery).Before(end) {
			break
		}
		if !now.Before(say) {
			opts.Logger.Warn("waiting for PostgreSQL", "host", config.Host, "port", config.Port, "for", end.Sub(now).Round(time.Second).String(), "err", err)
			say = now.Add(awaitSay)
		}
		select {
		case <-ctx.Done():
		case <-time.After(awaitEvery):
		}
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err == nil && say.After(begun):
		opts.Logger.Info("PostgreSQL answers", "waited", time.Since(begun).Round(time.Millisecond))
	}
	return pooler, err
}

// isAway reports whether an error may pass by itself: no answer, or a server that starts, stops, has no free
// connection, or is about to become the primary.
func isAway(err error) bool {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") && pg.Code != "08P01" || pg.Code == "53300" || pg.Code == "25006"
	}
	if errors.As(err, new(*tls.CertificateVerificationError)) || strings.Contains(err.Error(), "server refused TLS connection") {
		return false
	}
	return errors.As(err, new(*pgconn.ConnectError)) || pgconn.Timeout(err)
}
