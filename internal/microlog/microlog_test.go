package microlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"go-micro.dev/v5/logger"

	"github.com/micro/platform/internal/microlog"
)

// open returns a logger that writes what is at least level, without the time.
func open(level slog.Level) (logger.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return microlog.New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))), &out
}

func TestLevels(t *testing.T) {
	log, out := open(slog.LevelDebug)
	tests := []struct {
		in   logger.Level
		want string
	}{
		{logger.TraceLevel, "DEBUG"}, {logger.DebugLevel, "DEBUG"}, {logger.InfoLevel, "DEBUG"},
		{logger.WarnLevel, "WARN"}, {logger.ErrorLevel, "ERROR"}, {logger.FatalLevel, "ERROR"},
	}
	for _, tt := range tests {
		want := "level=" + tt.want + " msg=\"node kv-1\"\n"
		out.Reset()
		log.Logf(tt.in, "node %s-%d", "kv", 1)
		if got := out.String(); got != want {
			t.Errorf("%v: Logf wrote %q, want %q", tt.in, got, want)
		}
		out.Reset()
		log.Log(tt.in, "node ", "kv-1")
		if got := out.String(); got != want {
			t.Errorf("%v: Log wrote %q, want %q", tt.in, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	log, out := open(slog.LevelInfo)
	log.Fields(map[string]any{"node": "kv-1"}).Log(logger.WarnLevel, "away")
	if got, want := out.String(), "level=WARN msg=away node=kv-1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	log.Log(logger.WarnLevel, "away")
	if got := out.String(); strings.Contains(got, "node") {
		t.Errorf("the logger itself has the fields now: %q", got)
	}
}

// loud is a value that tells when it is formatted.
type loud struct{ t *testing.T }

func (l loud) String() string {
	l.t.Error("formatted for nobody")
	return ""
}

func TestBelowLevel(t *testing.T) {
	log, out := open(slog.LevelInfo)
	log.Log(logger.InfoLevel, loud{t})
	log.Logf(logger.InfoLevel, "%v", loud{t})
	if out.Len() > 0 {
		t.Errorf("got %q", out)
	}
}

// TestRest: go-micro calls these as well.
func TestRest(t *testing.T) {
	log, _ := open(slog.LevelInfo)
	if err := log.Init(logger.WithLevel(logger.DebugLevel)); err != nil {
		t.Error(err)
	}
	if got := log.String(); got != "slog" {
		t.Errorf("got %q", got)
	}
	_ = log.Options()
}
