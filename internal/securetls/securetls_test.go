package securetls_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	_ "go-micro.dev/v5/client" // has what reads the variable, and warns

	_ "github.com/micro/platform/internal/securetls"
)

// TestInit runs itself in a process of its own for each environment, since all happens
// before main.
func TestInit(t *testing.T) {
	if os.Getenv("SECURETLS_CHILD") != "" {
		os.Stdout.WriteString(os.Getenv("MICRO_TLS_SECURE") + ";") //nolint:errcheck // to the parent
		return
	}
	for _, tt := range []struct {
		set, want string
		warns     bool
	}{{"", "true;", false}, {"true", "true;", false}, {"false", "false;", true}} {
		t.Run("MICRO_TLS_SECURE="+tt.set, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInit$")
			cmd.Env = append(os.Environ(), "SECURETLS_CHILD=1", "MICRO_TLS_SECURE="+tt.set)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), tt.want) {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			if got := strings.Contains(errs.String(), "SECURITY WARNING"); got != tt.warns {
				t.Errorf("go-micro warns: got %v, want %v: %s", got, tt.warns, errs.String())
			}
		})
	}
}
