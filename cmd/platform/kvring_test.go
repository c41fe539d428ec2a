package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/kvserver/ringtest"
	"github.com/micro/platform/tests/echo"
)

// newRingCommand runs a ring, and returns what finds the first of its nodes.
func newRingCommand(t *testing.T, nodes int) (command, *ringtest.Ring) {
	t.Helper()
	ring := ringtest.Run(t, nodes, echo.Service(&echo.Handler{}))
	return command{t, process{
		stdin: strings.NewReader(""), stdinTerminal: true, getenv: func(string) string { return "" },
		registry: ring.Nodes[0].Registry, services: services(),
	}}, ring
}

// shownRing is a ring as JSON.
type shownRing struct {
	Replicas int
	Node     string
	Nodes    []struct {
		Name, State, Waiting   string
		Share                  float64
		Keys, Copies, MaxBytes int64 `json:",string"`
		Silent                 bool
	}
}

// serving is how many nodes answer for their keys.
func (r shownRing) serving() (n int) {
	for _, node := range r.Nodes {
		if node.State == "serving" && node.Waiting == "" && !node.Silent {
			n++
		}
	}
	return n
}

// shown is a line of kv ring --watch.
type shown struct {
	Time  time.Time
	Error string
	Ring  shownRing
}

// awaitRing reads what a watch shows until it is such.
func awaitRing(t *testing.T, out *lines, such func(shown) bool) {
	t.Helper()
	for {
		var s shown
		line := out.await("{")
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Time.IsZero() {
			t.Fatalf("got %s, %v", line, err)
		}
		if such(s) {
			return
		}
	}
}

// TestKVRing has a row for each node, and says which has answered.
func TestKVRing(t *testing.T) {
	c, ring := newRingCommand(t, 2)
	for _, key := range []string{"a", "b", "c"} {
		c.run("kv", "put", key, "v")
	}
	r := c.run("kv", "ring")
	c.want(r, 0, "NODE", "")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if got := strings.Fields(lines[0]); !slices.Equal(got, strings.Fields("NODE STATE SHARE KEYS COPIES MEMORY MOVING MOVED CONFLICTS UP SINCE")) || len(lines) != 5 {
		t.Fatalf("got %s", r.out)
	}
	for _, p := range ring.Nodes {
		mark := " "
		if p == ring.Nodes[0] {
			mark = ` \*`
		}
		row := regexp.MustCompile(`\n` + p.Address("kv-srv") + mark + ` +serving +\d\d(\.\d)? % +(\d) +(\d) +[\d.]+ (B|KiB) of 256 MiB  0 +\d+ +0 +20`)
		got := row.FindStringSubmatch(r.out)
		if got == nil || int(got[2][0]-'0')+int(got[3][0]-'0') != 3 {
			t.Errorf("got %s\nwant %s, with 3 keys and copies", r.out, row)
		}
	}
	if want := regexp.MustCompile(`^\* has answered\. Each item is on 2 nodes; the keys are in \d+ slots\.$`); !want.MatchString(lines[3]) || lines[4] != "Settled: nothing moves." {
		t.Errorf("got %s\nwant %s, settled", lines[3:], want)
	}
	c.want(c.run("kv", "ring", "x"), 2, "", `takes no argument, got also "x"`)
	c.want(c.run("kv", "ring", "--address", "127.0.0.1:1"), 6, "", "error: unavailable (unreachable): get ring: ")

	var all shownRing
	r = c.run("kv", "ring", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || all.Node != ring.Nodes[0].Address("kv-srv") || all.Replicas != 2 || len(all.Nodes) != 2 {
		t.Errorf("got %s, %v", r.out, err)
	}
	for _, n := range all.Nodes {
		if n.State != "serving" || n.Share <= 0 || n.Keys+n.Copies != 3 || n.MaxBytes != 256<<20 || n.Silent {
			t.Errorf("got %+v in %s", n, r.out)
		}
	}
}

// TestKVRingAlone: too few nodes are told of, and what is no ring.
func TestKVRingAlone(t *testing.T) {
	c, _ := newRingCommand(t, 1)
	c.want(c.run("kv", "ring"), 0, "Each item is on 2 nodes (fewer answer for their keys now: 1); ", "")
	c = newCommand(t)
	for _, args := range [][]string{{"kv", "ring"}, {"kv", "ring", "--watch"}} {
		c.want(c.run(args...), 1, "", "error: unimplemented (kv.unsupported): get ring: memory in one process cannot tell of a ring (memory: with KV_PEERS can)")
	}
}

// TestKVRingWatch shows the ring again as it changes, until Ctrl-C.
func TestKVRingWatch(t *testing.T) {
	c, ring := newRingCommand(t, 1)
	asJSON, _, stopJSON := c.start("kv", "ring", "--watch")
	c = c.onTerminal()
	c.stdoutSize = func() (int, int) { return 200, 20 }
	drawn, _, stop := c.start("kv", "ring", "--watch")
	drawn.await("(fewer answer for their keys now: 1)")
	joined := ring.Join(t).Address("kv-srv")
	drawn.await(joined)
	drawn.await("Each item is on 2 nodes; the keys")
	awaitRing(t, asJSON, func(s shown) bool { return s.Error == "" && s.Ring.serving() == 2 })
	for _, stop := range []func() int{stop, stopJSON} {
		if code := stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// testKVRing watches a ring of processes, of which one is stopped for a while.
func testKVRing(b binary) {
	gossip := ringtest.FreePort(b.t)
	node := func(at string) (started, string) {
		one := b
		one.env = slices.Concat(b.env, []string{"KV_PEERS=" + gossip, "KV_RING_ADDRESS=" + at, "CONSOLE_ADDRESS=127.0.0.1:0"})
		return one.serve()
	}
	_, address := node(gossip)
	second, stopped := node("127.0.0.1:0")
	at := "--address=" + address
	watch := b.start("kv", "ring", "--watch", at)
	whole := func(s shown) bool { return s.Ring.serving() == 2 }
	signal := func(sig syscall.Signal) {
		b.t.Helper()
		if err := second.Process.Signal(sig); err != nil {
			b.t.Fatal(err)
		}
	}
	for silent := false; !silent; { // two seconds later it is left out, and may not have been seen
		awaitRing(b.t, watch.out, whole)
		signal(syscall.SIGSTOP)
		awaitRing(b.t, watch.out, func(s shown) bool {
			for _, n := range s.Ring.Nodes {
				silent = silent || n.Name == stopped && n.Silent && n.MaxBytes == 0
			}
			return silent || len(s.Ring.Nodes) == 1
		})
		if silent {
			table := b.run("", "kv", "ring", at).out
			b.t.Log(table)
			if !regexp.MustCompile(stopped+` +silent +[^-]+( +-){6} +2[^@]*`+stopped+` is silent: it has not answered in time, others know it as serving`).MatchString(table) && strings.Contains(table, stopped) {
				b.t.Errorf("got %s", table)
			}
		}
		signal(syscall.SIGCONT)
	}
	awaitRing(b.t, watch.out, whole)
	if code := watch.stop(os.Interrupt); code != 0 {
		b.t.Errorf("a watch with Ctrl-C: got exit code %d, want 0", code)
	}
}
