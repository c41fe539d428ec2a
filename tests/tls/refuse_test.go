package tls_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/certs/certstest"
)

// TestRefusedCaller: a caller without a good certificate is told why, over every
// protocol.
func TestRefusedCaller(t *testing.T) {
	s := open(t, true)
	expired := s.ca.Issue("caller.test", time.Now().Add(-time.Minute))
	foreign := certstest.NewCA(t).Issue("caller.test", time.Now().Add(time.Hour))
	for name, tt := range map[string]struct {
		pair *certstest.Pair
		want string
	}{
		"missing": {nil, "certificate required"},
		"expired": {&expired, "expired certificate"},
		"foreign": {&foreign, "unknown certificate authority"},
	} {
		conf := certs.Config{CA: certstest.File(t, s.ca.PEM)}
		if tt.pair != nil {
			conf.Cert, conf.Key = certstest.File(t, tt.pair.Cert), certstest.File(t, tt.pair.Key)
		}
		for _, c := range append(s.callers(t, s.trust(t, tt.pair)), s.micro(platform(t, conf))) {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				defer c.hangUp()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				// By TLS 1.3 a caller is refused while it sends its first request, and
				// net/http's client may say no more than that it could not.
				for tries := 0; ; tries++ {
					got, err := c.call(ctx, "hi")
					if err != nil && strings.Contains(err.Error(), tt.want) {
						return
					}
					if err == nil || tries == 20 || c.name == "gRPC" || c.name == "go-micro RPC" {
						t.Fatalf("got %q, %v, want %q", got, err, tt.want)
					}
				}
			})
		}
	}
}

// TestRefusedService: a caller does not talk to a service that it cannot trust, and says
// why.
func TestRefusedService(t *testing.T) {
	s := open(t, false)
	for name, tt := range map[string]struct {
		conf certs.Config
		want string
	}{
		"foreign":    {certs.Config{CA: certstest.File(t, certstest.NewCA(t).PEM)}, "unknown authority"},
		"other name": {certs.Config{CA: certstest.File(t, s.ca.PEM), ServerName: "kv.test"}, "not kv.test"},
		"right name": {certs.Config{CA: certstest.File(t, s.ca.PEM), ServerName: "echo.test"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := s.micro(platform(t, tt.conf)).call(ctx, "hi")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
