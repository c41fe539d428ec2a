package resp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
)

// patience is far more than anything here takes.
const patience = 20 * time.Second

// listen runs kv-srv, with some settings as pairs, and returns where clients of Redis are
// served.
func listen(t *testing.T, settings ...string) (address string) {
	t.Helper()
	return platform(t, settings...).Door("kv-srv", call.RESP)
}

func platform(t *testing.T, settings ...string) *hosttest.Platform {
	t.Helper()
	env := map[string]string{"KV_RESP": "127.0.0.1:0"}
	for i := 0; i+1 < len(settings); i += 2 {
		env[settings[i]] = settings[i+1]
	}
	return hosttest.Run(t, env, kvserver.Service())
}

// wire is a connection whose bytes a test sees.
type wire struct {
	net.Conn

	t  testing.TB
	in *bufio.Reader
}

// dial connects until the test ends.
func dial(t testing.TB, address string) *wire {
	t.Helper()
	w := connect(t, address)
	t.Cleanup(func() { w.Close() })
	return w
}

// connect connects until the test closes the connection.
func connect(t testing.TB, address string) *wire {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &wire{c, t, bufio.NewReader(c)}
}

// encode is a command as clients send it.
func encode(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Fatal(err)
	}
}

// ask sends a command and returns the answer as it came.
func (w *wire) ask(args ...string) string {
	w.t.Helper()
	w.send(encode(args...))
	return w.answer()
}

// want complains about another answer, and about more than one.
func (w *wire) want(want string, args ...string) {
	w.t.Helper()
	if got := w.ask(args...); got != want {
		w.t.Errorf("%.100q: got %.200q, want %.200q", args, got, want)
	}
}

// answer reads one answer, whole.
func (w *wire) answer() string {
	w.t.Helper()
	answer, err := w.read()
	if err != nil {
		w.t.Fatalf("after %q: %v", answer, err)
	}
	return answer
}

func (w *wire) read() (string, error) {
	line, err := w.in.ReadString('\n')
	if err != nil {
		return line, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:])) // 0 in what has no number
	switch line[0] {
	case '$':
		if n < 0 {
			return line, nil
		}
		b := make([]byte, n+2)
		_, err := io.ReadFull(w.in, b)
		return line + string(b), err
	case '%':
		n *= 2
	case '*':
	default:
		return line, nil
	}
	for range n {
		more, err := w.read()
		line += more
		if err != nil {
			return line, err
		}
	}
	return line, nil
}

// wantEnd complains unless the server closes the connection, and says nothing more.
func (w *wire) wantEnd() {
	w.t.Helper()
	if rest, err := io.ReadAll(w.in); err != nil || len(rest) > 0 {
		w.t.Errorf("got %.100q, error %v, want the end", rest, err)
	}
}
