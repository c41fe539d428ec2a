package resp_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/micro/platform/internal/call"
)

// pipe sends commands at once and returns their answers.
func (w *wire) pipe(commands [][]string) []string {
	w.t.Helper()
	sent := make(chan struct{})
	go func() { // it takes more than a connection holds
		defer close(sent)
		var b strings.Builder
		for _, c := range commands {
			b.WriteString(encode(c...))
		}
		w.send(b.String())
	}()
	answers := make([]string, len(commands))
	for i := range commands {
		answers[i] = w.answer()
	}
	<-sent
	return answers
}

// TestScriptTogether: the commands have the same answers when they come at once.
func TestScriptTogether(t *testing.T) {
	var commands [][]string
	for _, e := range script() {
		commands = append(commands, e.args())
	}
	w := dial(t, listen(t))
	w.want(ok, "SELECT", "9")
	for i, got := range w.pipe(commands) {
		if e := script()[i]; !e.ours(got) {
			t.Errorf("%.100s: got %.200q, want %.200q", e.command, got, cmp.Or(e.own, e.want))
		}
	}
	w.wantEnd()
}

// TestPipelines: any commands have the answers that they have one after the other.
func TestPipelines(t *testing.T) {
	together, apart := dial(t, listen(t)), dial(t, listen(t))
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		commands := make([][]string, 1+r.IntN(300))
		for i := range commands {
			commands[i] = anything(r)
		}
		for i, got := range together.pipe(commands) {
			if want := apart.ask(commands[i]...); got != want {
				t.Fatalf("seed %d, command %d, %.100q: got %.100q, want %.100q", seed, i, commands[i], got, want)
			}
		}
	}
}

// anything is mostly what may become a part of a larger call.
func anything(r *rand.Rand) []string {
	key := fmt.Sprint("key", r.IntN(8))
	switch n := r.IntN(100); {
	case n < 45:
		return []string{"GET", key}
	case n < 85:
		return []string{"set", key, fmt.Sprint(r.IntN(1000))}
	case n < 88:
		return []string{"INCR", key}
	case n < 91:
		return []string{"DEL", key}
	case n < 93:
		return []string{"SET", key, "x", "NX"}
	case n < 94:
		return []string{"GET", "\xff"}
	case n < 95:
		return []string{"SET", "", "x"}
	case n < 96:
		return []string{"SET", key, strings.Repeat("y", 1<<20+r.IntN(2))}
	case n < 97:
		return []string{"GET"}
	case n < 98:
		return []string{"SELECT", fmt.Sprint(r.IntN(3))}
	case n < 99:
		return []string{"HELLO", fmt.Sprint(2 + r.IntN(3))}
	default:
		return []string{"MGET", key, "none"}
	}
}

// TestTogetherIsOneCall: GETs, and SETs, that come together are one call for a hundred.
func TestTogetherIsOneCall(t *testing.T) {
	p := platform(t)
	w := dial(t, p.Door("kv-srv", call.RESP))
	var sets, gets [][]string
	for i := range 250 {
		sets = append(sets, []string{"SET", fmt.Sprint(i), "v"})
		gets = append(gets, []string{"GET", fmt.Sprint(i)})
	}
	for i, got := range append(w.pipe(sets), w.pipe(gets)...) {
		if want := []string{ok, "$1\r\nv\r\n"}[i/250]; got != want {
			t.Fatalf("answer %d: got %q, want %q", i, got, want)
		}
	}
	metrics := get(t, "http://"+p.Address("kv-srv")+"/metrics")
	for _, endpoint := range []string{"KV.BatchPut", "KV.BatchGet"} {
		if n := calls(metrics, endpoint); n < 3 || n > 25 {
			t.Errorf("%s: %d calls for 250 commands", endpoint, n)
		}
	}
}

// calls is how many calls of an endpoint there were.
func calls(metrics, endpoint string) (n int) {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "rpc_server_duration_seconds_count{") && strings.Contains(line, fmt.Sprintf("%q", endpoint)) {
			_, _ = fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &n)
		}
	}
	return n
}

// TestTogetherLarge: values that are no single answer together are answered alike.
func TestTogetherLarge(t *testing.T) {
	w := dial(t, listen(t))
	value := strings.Repeat("x", 1<<20)
	var sets, gets [][]string
	var want []string
	for i := range 8 {
		key := fmt.Sprint(i)
		sets = append(sets, []string{"SET", key, value})
		gets = append(gets, []string{"GET", key}, []string{"GET", "none"}, []string{"GET", key})
		bulk := fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
		want = append(want, bulk, null, bulk)
	}
	for i, got := range w.pipe(sets) {
		if got != ok {
			t.Fatalf("SET %d: got %.100q", i, got)
		}
	}
	for i, got := range w.pipe(gets) {
		if got != want[i] {
			t.Fatalf("GET %d: got %d bytes, %.100q, want %d", i, len(got), got, len(want[i]))
		}
	}
}

// TestTogetherFull: each SET is told by itself that there is no room.
func TestTogetherFull(t *testing.T) {
	w := dial(t, listen(t, "KV_STORE", "memory:?size=16MiB"))
	var sets [][]string
	for i := range 40 {
		sets = append(sets, []string{"SET", fmt.Sprint(i), strings.Repeat("x", (1<<20-1)*(i%2))})
	}
	written, full := 0, 0
	for i, got := range w.pipe(sets) {
		switch {
		case got == ok:
			written++
			w.want(fmt.Sprintf(":%d\r\n", len(sets[i][2])), "STRLEN", sets[i][1])
		case strings.HasPrefix(got, "-OOM "):
			full++
			w.want(null, "GET", sets[i][1])
		default:
			t.Fatalf("got %q", got)
		}
	}
	if written < 5 || full < 5 {
		t.Errorf("%d were written, %d found no room", written, full)
	}
}
