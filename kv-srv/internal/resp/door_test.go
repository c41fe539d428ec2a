package resp_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
)

func get(t *testing.T, url string) string {
	t.Helper()
	rsp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const needed = "-NOAUTH Authentication required.\r\n"

// TestAuth: without the password nothing is answered, and guessing ends.
func TestAuth(t *testing.T) {
	const secret = "a very secret password"
	address := listen(t, "KV_RESP_PASSWORD", secret)
	t.Run("AUTH", func(t *testing.T) {
		w := dial(t, address)
		w.want(needed, "GET", "a")
		w.want(needed, "PING")
		w.want(needed, "SELECT", "5")
		w.want("-ERR unknown command 'FOO', with args beginning with: \r\n", "FOO")
		if got := w.ask("HELLO", "3"); !strings.HasPrefix(got, "-NOAUTH HELLO must be called") {
			t.Errorf("got %q", got)
		}
		w.want("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "wrong")
		w.want("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "somebody", secret)
		w.want(needed, "GET", "a")
		w.want(ok, "AUTH", secret)
		w.want(ok, "SET", "a", "1")
		w.want("+RESET\r\n", "RESET")
		w.want(needed, "GET", "a")
		w.want(ok, "AUTH", "default", secret)
		w.want("$1\r\n1\r\n", "GET", "a")
	})
	t.Run("HELLO", func(t *testing.T) {
		w := dial(t, address)
		if got := w.ask("HELLO", "3", "AUTH", "default", secret, "SETNAME", "me"); !strings.HasPrefix(got, "%7\r\n") {
			t.Errorf("got %q", got)
		}
		w.want("_\r\n", "GET", "none")
		w.want("$2\r\nme\r\n", "CLIENT", "GETNAME")
		if got := w.ask("HELLO", "2"); !strings.HasPrefix(got, "*14\r\n") {
			t.Errorf("got %q", got)
		}
		w.want(null, "GET", "none")
	})
	t.Run("go-redis", func(t *testing.T) {
		for _, protocol := range []int{2, 3} {
			c := client(t, address, protocol, func(o *redis.Options) { o.Password = secret })
			must(t, "PONG")(c.Ping(t.Context()).Result())
			c = client(t, address, protocol, func(o *redis.Options) { o.Password = "wrong" })
			if err := c.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("guesses", func(t *testing.T) {
		w := dial(t, address)
		for range 8 {
			if got := w.ask("AUTH", "guess"); !strings.HasPrefix(got, "-WRONGPASS") {
				t.Fatalf("got %q", got)
			}
		}
		w.wantEnd()
	})
	t.Run("much", func(t *testing.T) {
		w := dial(t, address)
		w.send("*11\r\n")
		if got := w.answer(); got != "-ERR Protocol error: unauthenticated multibulk length\r\n" {
			t.Errorf("got %q", got)
		}
		w.wantEnd()
	})
}

// TestProtocolErrors are told, and end the connection.
func TestProtocolErrors(t *testing.T) {
	address := listen(t)
	for sent, want := range map[string]string{
		"*1000000000\r\n":                       "-ERR Protocol error: invalid multibulk length\r\n",
		"*1\r\n$999999999999\r\n":               "-ERR Protocol error: invalid bulk length\r\n",
		"*1\r\n$9223372036854775807\r\nabc\r\n": "-ERR Protocol error: invalid bulk length\r\n",
		"*1\r\nPING\r\n":                        "-ERR Protocol error: expected '$', got 'P'\r\n",
		"SET a \"b\r\n":                         "-ERR Protocol error: unbalanced quotes in request\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\nSET evil yes\r\n": "-ERR Protocol error: this is no HTTP\r\n",
	} {
		w := dial(t, address)
		w.send(sent)
		if got := w.answer(); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
		w.wantEnd()
	}
	w := dial(t, address)
	w.want(null, "GET", "evil")
	w.send("SET a 'b c'\r\nGET a\r\nEXISTS a\r\n")
	if got := w.answer() + w.answer() + w.answer(); got != ok+"$3\r\nb c\r\n"+first {
		t.Errorf("in lines: got %q", got)
	}
}

// TestSilence: who begins a command is to end it, and who says nothing is to go.
func TestSilence(t *testing.T) {
	for name, tt := range map[string]struct{ setting, sent string }{
		"nothing":         {"PLATFORM_IDLE", ""},
		"after an answer": {"PLATFORM_IDLE", "*1\r\n$4\r\nPING\r\n"},
		"half a command":  {"PLATFORM_TIMEOUT", "*2\r\n$3\r\nGET\r\n$1"},
		"half a value":    {"PLATFORM_TIMEOUT", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\nxxxxx"},
		"half a line":     {"PLATFORM_TIMEOUT", "PI"},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, listen(t, tt.setting, "100ms"))
			w.send(tt.sent)
			if strings.Contains(tt.sent, "PING") {
				if got := w.answer(); got != "+PONG\r\n" {
					t.Errorf("got %q", got)
				}
			}
			w.wantEnd()
		})
	}
}

// TestSlowReader: who sends and does not read loses its connection, and nobody else waits.
func TestSlowReader(t *testing.T) {
	address := listen(t, "PLATFORM_WRITE_TIMEOUT", "200ms")
	w := dial(t, address)
	w.want(ok, "SET", "big", strings.Repeat("x", 1<<20))
	sent := make(chan error, 1)
	go func() {
		for {
			if _, err := io.WriteString(w.Conn, strings.Repeat(encode("GET", "big"), 1000)); err != nil {
				sent <- err
				return
			}
		}
	}()
	other := dial(t, address)
	for range 100 {
		other.want("+PONG\r\n", "PING")
	}
	select {
	case err := <-sent:
		if ne := interface{ Timeout() bool }(nil); errors.As(err, &ne) && ne.Timeout() {
			t.Errorf("the connection is still there: %v", err)
		}
	case <-time.After(patience):
		t.Error("it may send for ever")
	}
	other.want("+PONG\r\n", "PING")
}

// TestConnections: there are no more than may be.
func TestConnections(t *testing.T) {
	p := platform(t, "PLATFORM_MAX_CONNS", "2")
	address := p.Door("kv-srv", "resp")
	a, b := dial(t, address), dial(t, address)
	a.want("+PONG\r\n", "PING")
	b.want("+PONG\r\n", "PING")
	dial(t, address).wantEnd()
	a.want(ok, "QUIT")
	a.wantEnd()
	for again := time.Now().Add(patience); ; { // until the place is free
		c := dial(t, address)
		c.send("PING\r\n")
		if got, err := c.read(); err == nil && got == "+PONG\r\n" {
			return
		}
		if time.Now().After(again) {
			t.Fatal("who has left still counts")
		}
	}
}

// TestStop: whoever is connected, and whatever is under way, the service ends well, all are
// told by the end of their connections, and nothing is left behind.
func TestStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("under load", func(t *testing.T) {
		var quiet []*wire
		busy := make(chan error, 4)
		t.Cleanup(func() { // after the service has stopped
			for _, w := range quiet {
				w.wantEnd()
				w.Close()
			}
			for range cap(busy) {
				if err := <-busy; err != nil {
					t.Error(err)
				}
			}
		})
		address := listen(t)
		for _, said := range []string{"", "PING\r\n", "*2\r\n$3\r\nGET"} {
			w := connect(t, address)
			w.send(said)
			if strings.HasSuffix(said, "\n") {
				w.answer()
			}
			quiet = append(quiet, w)
		}
		for i := range cap(busy) {
			w := connect(t, address)
			w.want(first, "INCR", fmt.Sprint("n", i))
			go func() { busy <- w.load(fmt.Sprint("n", i)) }()
		}
	})
	goleak.VerifyNone(t, hosttest.Leftovers(before)...)
}

// load adds to a number until the connection ends. It returns an error for answers that are
// wrong: each must follow the one before.
func (w *wire) load(key string) error {
	defer w.Close()
	for n := 2; ; {
		if _, err := io.WriteString(w.Conn, strings.Repeat(encode("INCR", key), 50)); err != nil {
			return nil
		}
		for range 50 {
			got, err := w.read()
			if err != nil {
				return nil
			}
			if want := fmt.Sprintf(":%d\r\n", n); got != want {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			n++
		}
	}
}

// TestTLS: with certificates it is rediss, and browsers have no business there.
func TestTLS(t *testing.T) {
	ca := certstest.NewCA(t)
	pair := ca.Issue("kv.test", time.Now().Add(time.Hour))
	address := listen(t, "PLATFORM_TLS_CERT", certstest.File(t, pair.Cert), "PLATFORM_TLS_KEY", certstest.File(t, pair.Key),
		"PLATFORM_TLS_CA", certstest.File(t, ca.PEM), "PLATFORM_TLS_SERVER_NAME", "kv.test")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	conf := &tls.Config{RootCAs: roots, ServerName: "kv.test"}
	c := client(t, address, 3, func(o *redis.Options) { o.TLSConfig = conf })
	must(t, "OK")(c.Set(t.Context(), "a", "1", 0).Result())
	must(t, "1")(c.Get(t.Context(), "a").Result())
	browser := conf.Clone()
	browser.NextProtos = []string{"h2", "http/1.1"}
	if conn, err := tls.Dial("tcp", address, browser); err == nil {
		conn.Close()
		t.Error("who wants to speak HTTP is let in")
	}
	w := dial(t, address)
	w.send("PING\r\n")
	if got, err := w.read(); err == nil {
		t.Errorf("without TLS: got %q", got)
	}
}

// TestSettings: what is wrong is told before anything starts.
func TestSettings(t *testing.T) {
	for address, want := range map[string]string{
		"6379":               `KV_RESP: "6379" is no address such as 127.0.0.1:8080`,
		"0.0.0.0:0":          "KV_RESP: other machines can reach 0.0.0.0:0, and calls are not both encrypted and authenticated",
		dialed(t, listen(t)): "set KV_RESP to another",
	} {
		err := host.Run(t.Context(), host.Process{
			Getenv: func(name string) string {
				return map[string]string{"KV_RESP": address, "KV_ADDRESS": "127.0.0.1:0", "PLATFORM_REGISTRY": "memory:", "PLATFORM_DATA": t.TempDir(), "KV_RESP_PASSWORD": "secret"}[name]
			},
			Stderr: io.Discard, Started: func([]host.Running) { t.Error("it has started") },
		}, kvserver.Service())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %s", address, err, want)
		}
	}
}

// dialed returns the address, where somebody listens.
func dialed(t *testing.T, address string) string {
	t.Helper()
	dial(t, address).want("+PONG\r\n", "PING")
	return address
}
