package main

import (
	"io"
	"log/slog"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/config"
)

// openLog opens the log of a server, which also reports that SIGHUP does nothing. end writes the rest of it.
func openLog(w io.Writer, cfg *config.Log) (logger *slog.Logger, end func() error, err error) {
	buffer := observe.NewBuffer(w)
	if logger, err = observe.NewLogger(buffer, cfg.Level, cfg.Format); err != nil {
		return nil, nil, err
	}
	stopHangups := logHangups(logger)
	return logger, func() error {
		stopHangups()
		return buffer.Flush()
	}, nil
}
