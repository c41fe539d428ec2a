package main

import (
	"testing"

	"github.com/micro/platform/internal/host"
)

// TestOverDiscovery is of main, which nobody imports.
func TestOverDiscovery(t *testing.T) {
	both := []host.Service{{Name: "discovery-srv", Port: 8104}, {Name: "kv-srv"}}
	for name, tt := range map[string]struct {
		services []host.Service
		env      map[string]string
		want     string
	}{
		"together":          {both, nil, "discovery://127.0.0.1:8104"},
		"without discovery": {both[1:], nil, ""},
		"told otherwise":    {both, map[string]string{"PLATFORM_REGISTRY": "memory:"}, "memory:"},
		"by a file":         {both, map[string]string{"PLATFORM_REGISTRY_FILE": "/x"}, ""},
		"elsewhere":         {both, map[string]string{"DISCOVERY_ADDRESS": "127.0.0.2:9000"}, "discovery://127.0.0.2:9000"},
		"everywhere":        {both, map[string]string{"DISCOVERY_ADDRESS": ":9000"}, "discovery://127.0.0.1:9000"},
		"anywhere":          {both, map[string]string{"DISCOVERY_ADDRESS": "127.0.0.1:0"}, ""},
		"nowhere":           {both, map[string]string{"DISCOVERY_ADDRESS": "9000"}, ""},
	} {
		getenv := overDiscovery(func(name string) string { return tt.env[name] }, tt.services)
		if got := getenv("PLATFORM_REGISTRY"); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
