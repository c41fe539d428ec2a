package client_test

import (
	"testing"
	"time"

	microclient "go-micro.dev/v5/client"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// TestClosedWhileIdle: a call on a connection that the service has closed since the last one
// is made on another, and once.
func TestClosedWhileIdle(t *testing.T) {
	for name, env := range map[string]map[string]string{"plain": {}, "TLS": secure(t)} {
		t.Run(name, func(t *testing.T) {
			env["PLATFORM_IDLE"] = "50ms"
			p := hosttest.Run(t, env, echo.Service(&echo.Handler{}))
			address := microclient.WithAddress(p.Address("echo-srv"))
			pause := time.NewTicker(120 * time.Millisecond) // of which the service closes the connection
			defer pause.Stop()
			for i := range 6 {
				if _, err := call(t.Context(), p.Client, false, &echopb.CallRequest{Text: "hi"}, address); err != nil {
					t.Fatalf("call %d: %v", i, err)
				}
				<-pause.C
			}
		})
	}
}

// secure has a service serve by TLS, and be called so.
func secure(t *testing.T) map[string]string {
	t.Helper()
	ca := certstest.NewCA(t)
	pair := ca.Issue("echo.test", time.Now().Add(time.Hour))
	return map[string]string{
		"PLATFORM_TLS_CERT": certstest.File(t, pair.Cert), "PLATFORM_TLS_KEY": certstest.File(t, pair.Key),
		"PLATFORM_TLS_CA": certstest.File(t, ca.PEM), "PLATFORM_TLS_SERVER_NAME": "echo.test",
	}
}
