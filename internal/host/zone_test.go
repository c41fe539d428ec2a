package host_test

import (
	"strings"
	"testing"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
)

// TestZone: where a service runs is registered with it.
func TestZone(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"PLATFORM_ZONE": "west"}, echo.Service(&echo.Handler{}))
	found, err := p.Registry.GetService("echo-srv")
	if err != nil || len(found) != 1 || found[0].Nodes[0].Metadata["zone"] != "west" {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestZoneIsAWord(t *testing.T) {
	env := map[string]string{"PLATFORM_ZONE": strings.Repeat("x", 65)}
	err := host.Run(t.Context(), host.Process{Getenv: func(name string) string { return env[name] }, Stderr: t.Output()}, echo.Service(&echo.Handler{}))
	const want = "PLATFORM_ZONE: 65 bytes long, want at most 64 of UTF-8"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
