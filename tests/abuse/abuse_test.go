// Package abuse_test does to running services what no honest caller does: nonsense in
// every request, connections that say nothing or too much, settings that make no sense,
// signals at the wrong time.
//
// What must hold is the same everywhere: an answer within two seconds with the code
// that the table of errors names, never an internal error, memory that stays bounded,
// and a service that goes on for everyone else.
package abuse_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// soon is how long an answer may take, on a machine that is busy with other tests.
const soon = 10 * time.Second

// TestMain runs a service instead of the tests where a test has started this binary
// again to have one in a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("ABUSE_SERVICE") {
	case "echo":
		host.Main(echo.Service(&echo.Handler{}))
	case "keeper":
		host.Main(keeper())
	}
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir) // below the system's folder of temporary files
	}
	os.Exit(code)
}

// startKV runs kv-srv until the end of the test and returns its address. No call to it
// may have ended with an error that is the service's fault, and none may still run.
func startKV(t testing.TB, env map[string]string) string {
	t.Helper()
	address := hosttest.Run(t, quietly(env), kvserver.Service()).Address("kv-srv")
	t.Cleanup(func() { blameless(t, address) })
	return address
}

// startEcho is startKV for echo-srv.
func startEcho(t testing.TB, env map[string]string) string {
	t.Helper()
	address := hosttest.Run(t, quietly(env), echo.Service(&echo.Handler{})).Address("echo-srv")
	t.Cleanup(func() { blameless(t, address) })
	return address
}

// quietly keeps the refusals, of which there are thousands, out of the log.
func quietly(env map[string]string) map[string]string {
	all := map[string]string{"PLATFORM_LOG": "error"}
	maps.Copy(all, env)
	return all
}

var (
	faults   = regexp.MustCompile(`(?m)^rpc_server_requests_total\{code="(internal|unknown|data_loss)".*$`)
	inFlight = regexp.MustCompile(`(?m)^rpc_server_in_flight\{.*\} [^0].*$`)
)

func blameless(t testing.TB, address string) {
	t.Helper()
	await(t, "calls in flight to end", func() string { return inFlight.FindString(metrics(t, address)) })
	if all := faults.FindAllString(metrics(t, address), -1); all != nil {
		t.Errorf("calls were answered as if the service had failed:\n%s", strings.Join(all, "\n"))
	}
}

// metrics returns what the service counts.
func metrics(t testing.TB, address string) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	send(t, c, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	rsp, body := receive(t, bufio.NewReader(c))
	if rsp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics answers %s", rsp.Status)
	}
	return body
}

// metric returns the line of one metric, or "".
func metric(t testing.TB, address, name string) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^` + name + `[ {].*$`).FindString(metrics(t, address))
}

// await waits until missing returns "".
func await(t testing.TB, what string, missing func() string) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		left := missing()
		if left == "" {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Errorf("waited in vain for %s: %s", what, left)
			return
		}
	}
}

// atOnce runs tests that wait more than they work. (Parallel runs as many as there are
// processors.)
func atOnce(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, f := range tests {
		all.Go(func() { t.Run(name, f) })
	}
	all.Wait()
}

// dial opens a connection on which nothing takes longer than ten seconds.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(context.WithoutCancel(t.Context()), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // may be closed already
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// receive reads one answer of HTTP/1.1.
func receive(t testing.TB, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	rsp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatalf("receive the body: %v", err)
	}
	return rsp, string(body)
}

// dropped waits until the other side has closed c, and returns what it had said.
func dropped(t testing.TB, c net.Conn, within time.Duration) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // as net returns it
		t.Errorf("the connection is still open after %v", within)
	}
	return string(said) // a reset is an end, too
}

// muCP is a request of go-micro RPC with a JSON body.
func muCP(endpoint, body string, headers ...string) string {
	var more strings.Builder
	for _, h := range headers {
		more.WriteString(h + "\r\n")
	}
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nMicro-Endpoint: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		endpoint, more.String(), len(body), body)
}
