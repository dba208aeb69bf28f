package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes one line per event to w. level is debug, info, warn or
// error; format is json or text. If w is a Buffer, warnings and errors pass it at once.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	l, ok := levels[level]
	if !ok {
		return nil, fmt.Errorf("unknown log level %q: must be debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: l}
	var h slog.Handler
	switch format {
	case "json":
		h = slog.NewJSONHandler(w, opts)
	case "text":
		h = slog.NewTextHandler(w, opts)
	default:
		return nil, fmt.Errorf("unknown log format %q: must be json or text", format)
	}
	if b, ok := w.(*Buffer); ok {
		h = promptHandler{h, b}
	}
	return slog.New(h), nil
}

// promptHandler keeps warnings from waiting in a Buffer: an alarm is in the log before its request is
// answered.
type promptHandler struct {
	slog.Handler
	buffer *Buffer
}

func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		err = errors.Join(err, h.buffer.Flush())
	}
	return err
}

func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.buffer}
}

func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.buffer}
}
