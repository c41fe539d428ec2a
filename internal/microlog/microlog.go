// Package microlog writes what go-micro logs to slog.
package microlog

import (
	"context"
	"fmt"
	"log/slog"

	"go-micro.dev/v5/logger"
)

// New returns a logger for go-micro's options. go-micro's info is our debug: it tells
// of each step of a start.
func New(l *slog.Logger) logger.Logger { return micro{l} }

type micro struct{ log *slog.Logger }

func (m micro) Init(...logger.Option) error { return nil }
func (m micro) Options() logger.Options     { return logger.Options{} }
func (m micro) String() string              { return "slog" }

func (m micro) Fields(fields map[string]any) logger.Logger {
	args := make([]any, 0, len(fields))
	for k, v := range fields {
		args = append(args, slog.Any(k, v))
	}
	return micro{m.log.With(args...)}
}

func (m micro) Log(level logger.Level, v ...any) {
	m.write(level, func() string { return fmt.Sprint(v...) })
}

func (m micro) Logf(level logger.Level, format string, v ...any) {
	m.write(level, func() string { return fmt.Sprintf(format, v...) })
}

func (m micro) write(level logger.Level, text func() string) {
	ctx := context.Background() //nolint:forbidigo // go-micro's interface has none
	if l := toSlog(level); m.log.Enabled(ctx, l) {
		m.log.Log(ctx, l, text()) //nolint:sloglint // go-micro has no more than a text
	}
}

func toSlog(l logger.Level) slog.Level {
	switch l {
	case logger.WarnLevel:
		return slog.LevelWarn
	case logger.ErrorLevel, logger.FatalLevel:
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}
