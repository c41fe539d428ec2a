package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/micro/platform/internal/fleet"
)

// TestServicesWatch prints who is there, and then what changes.
func TestServicesWatch(t *testing.T) {
	c := newCommand(t)
	out, errs, stop := c.start("services", "--watch")
	asJSON, _, stopJSON := c.start("services", "--watch", "-o", "json")
	if got := strings.Fields(out.await("SERVICE")); !slices.Equal(got, []string{"SERVICE", "VERSION", "ADDRESS", "ENDPOINTS", "STATE"}) {
		t.Errorf("got %s", got)
	}
	if got := strings.Fields(out.await("kv-srv")); got[3] != "14" || got[4] != "ready" {
		t.Errorf("got %s", got)
	}
	errs.await("Watching")
	var first change
	if err := json.Unmarshal([]byte(asJSON.await("echo-srv")), &first); err != nil || first.Change != "came" || first.State != "ready" || len(first.Instance.Endpoints) != 5 {
		t.Errorf("got %+v, error %v", first, err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c.register("new\x07", address)
	if got := out.await(address); !strings.HasSuffix(got, `  came       "new\a"  `+address+"  away: connection refused") {
		t.Errorf("got %q", got)
	}
	got := asJSON.await(address)
	if err := json.Unmarshal([]byte(got), &first); err != nil || first.Change != "came" || first.State != "away" || first.Instance.Name != "new\a" {
		t.Errorf("got %s, error %v", got, err)
	}
	for _, stop := range []func() int{stop, stopJSON} {
		if code := stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// TestChanges tells each change once, and no other.
func TestChanges(t *testing.T) {
	at := time.Unix(1e9, 0)
	in := func(state fleet.State, why string, started time.Time) []fleet.Service {
		return []fleet.Service{{Name: "kv-srv", Instances: []fleet.Instance{{Address: "10.0.0.7:8106", State: state, Why: why, Started: started, Changed: at}}}}
	}
	loaded := in(fleet.Ready, "", at)
	loaded[0].Instances[0].Load = fleet.Load{Known: true, Calls: 7}
	for name, tt := range map[string]struct {
		before, now []fleet.Service
		want        string
	}{
		"nothing":    {nil, nil, ""},
		"came":       {nil, in(fleet.Waiting, "store: away", at), "came  waiting: store: away"},
		"came ready": {nil, in(fleet.Ready, "", at), "came  ready"},
		"load":       {in(fleet.Ready, "", at), loaded, ""},
		"waiting":    {in(fleet.Ready, "", at), in(fleet.Waiting, "a\nb", at), `waiting  "a\nb"`},
		"other why":  {in(fleet.Waiting, "port 1", at), in(fleet.Waiting, "port 2", at), ""},
		"restarted":  {in(fleet.Ready, "", at), in(fleet.Ready, "", at.Add(time.Minute)), "restarted  ready"},
		"back":       {in(fleet.Away, "x", time.Time{}), in(fleet.Ready, "", at), "ready"},
		"went":       {in(fleet.Away, "x", at), nil, "went"},
	} {
		got := ""
		for _, c := range changes(tt.before, tt.now, at) {
			got += c.Change + c.more()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestTell says that the registry fails, and that it works again, once.
func TestTell(t *testing.T) {
	var errs bytes.Buffer
	a := &app{process: process{stderr: &errs}}
	told := ""
	for _, err := range []error{nil, errors.New("away"), errors.New("still away"), nil, nil} {
		told = a.tell(err, told)
	}
	if got, want := errs.String(), "What was there before is watched: away\nThe registry answers again.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// testWatch sees a process come, killed, back and leave, over mDNS.
func testWatch(b binary) {
	watch := b.start("services", "--watch")
	watch.err.await("Watching")
	top := b.start("top")
	server, address := b.serve()
	watch.out.await("came       kv-srv  " + address)
	awaitTop(top, address, "ready")
	if err := server.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	watch.out.await("away       kv-srv  " + address + "  connection refused")
	awaitTop(top, address, "away")
	server.stop()

	same := b
	same.env = slices.Concat(b.env, []string{"KV_ADDRESS=" + address})
	server, _ = same.serve()
	watch.out.await("ready      kv-srv  " + address)
	server.stop(syscall.SIGTERM)
	watch.out.await("  kv-srv  " + address) // it went, or is away where what mDNS says of it got lost
	for _, s := range []started{watch, top} {
		if code := s.stop(os.Interrupt); code != 0 {
			b.t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// awaitTop reads until an address is in a state.
func awaitTop(top started, address, state string) {
	top.t.Helper()
	for c := (command{t: top.t}); ; {
		for _, i := range c.seen(top.out.await(address)).Instances {
			if i.Address == address && i.State == state {
				return
			}
		}
	}
}
