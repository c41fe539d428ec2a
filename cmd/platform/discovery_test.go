package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/discovery-srv/discoveryclient"
	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// discovering is a command that finds discovery-srv.
type discovering struct {
	command
	rpc discoverypb.RegistryService
}

func newDiscovering(t *testing.T, env map[string]string) (discovering, *hosttest.Platform) {
	t.Helper()
	settings := map[string]string{"DISCOVERY_REGISTRY": "memory:"}
	maps.Copy(settings, env)
	p := hosttest.Run(t, settings, discoveryserver.Service())
	c := command{t, process{
		stdin: strings.NewReader(""), stdinTerminal: true, getenv: func(string) string { return "" },
		registry: p.Registry, services: services(),
	}}
	return discovering{c, discoverypb.NewRegistryService(discoveryclient.Service, p.Client)}, p
}

// up registers an instance, as its process does.
func (d discovering) up(service, id, version, zone string, with ...func(*discoverypb.RegisterRequest)) {
	d.t.Helper()
	req := &discoverypb.RegisterRequest{
		Service: service, Instance: &discoverypb.Instance{Id: id, Address: "10.0.0.7:80", Version: version, Zone: zone},
	}
	for _, w := range with {
		w(req)
	}
	if _, err := d.rpc.Register(d.t.Context(), req); err != nil {
		d.t.Fatal(err)
	}
}

const warms = "The node is warming: what it does not know may be there all the same.\n"

// TestDiscovery goes through the life of some instances. Each row needs those before it.
func TestDiscovery(t *testing.T) {
	d, _ := newDiscovering(t, nil)
	d.up("api", "api-1", "1", "west")
	d.up("api", "api-2", "2", "")
	d.up("web", "w\u202eb", "", "", func(r *discoverypb.RegisterRequest) { r.Namespace = "other" })
	const header = "ID     ADDRESS      VERSION  ZONE  WEIGHT  STATUS"
	for _, tt := range []struct {
		args string
		code int
		out  string
		err  string
	}{
		{"list", 0, warms + "SERVICE  UP  DRAINING  OUT  VERSIONS  ZONES  CHANGED\napi      2   0         0    1, 2      west   ", ""},
		{"list w", 0, warms + "SERVICE  UP  DRAINING  OUT  VERSIONS  ZONES  CHANGED\n", ""},
		{"list w -n other", 0, "web      1   0         0    -         -      ", ""},
		{"list --all", 0, "NAMESPACE  SERVICE  UP  DRAINING  OUT  VERSIONS  ZONES  CHANGED\ndefault    api      2", ""},
		{"list --all", 0, "\nother      web      1", ""},
		{"list --all -n other", 2, "", "takes one of --all and --namespace"},
		{"list a b", 2, "", `takes [PREFIX], got also "b"`},
		{"list nothing -o json", 0, `{"node":{"role":"write","warming":true,"leases":"3","late":"0","watchers":"0"},"services":[]}` + "\n", ""},
		{"list -o json", 0, `{"namespace":"default","service":"api","versions":["1","2"],"zones":["west"],"up":2,"draining":0,`, ""},
		{"list -n NO", 7, "", "error: invalid_argument: list services: namespace: "},
		{"get api", 0, warms + header, ""},
		{"get api", 0, "api-1  10.0.0.7:80  1        west  100     up      lease of 30s  ", ""},
		{"get web -n other", 0, `"w\u202eb"`, ""},
		{"get ap", 3, "", "error: not_found (discovery.not_found): get service \"ap\": no such service, did you mean api?\n"},
		{"get nothing", 3, "", "error: not_found (discovery.not_found): get service \"nothing\": no such service\n"},
		{"get", 2, "", "platform discovery get: takes SERVICE, got 0 arguments"},
		{"get api --address 127.0.0.1:1", 6, "", "error: unavailable (unreachable): get service \"api\": "},
		{"drain api", 2, "", "takes SERVICE INSTANCE, got 1 arguments"},
		{"drain api api-3", 3, "", `drain "api api-3": no such instance, did you mean api-1?`},
		{"drain ap api-1", 3, "", `drain "ap api-1": no such instance, did you mean api?`},
		{"drain api x", 3, "", "drain \"api x\": no such instance\n"},
		{"drain api api-1 --reason deploy\x1b", 0, `"draining, by an operator: deploy\x1b (itself: up)"` + "\n", "The registry below does not keep this"},
		{"list", 0, "api      1   1         0 ", ""},
		{"get api", 0, `  "draining, by an operator: deploy\x1b (itself: up)"  lease of 30s`, ""},
		{"get api -o json", 0, `"status":"draining","instanceStatus":"up","operatorStatus":"draining","statusReason":"deploy\u001b","source":"lease","ttl":"30s","registerTime":"`, ""},
		{"undrain api api-1", 0, "up\n", ""},
		{"drain api api-1 -o json", 0, `"status":"draining","instanceStatus":"up","operatorStatus":"draining","source":"lease"`, ""},
		{"undrain api api-1 -o json", 0, `"kept":false}`, ""},
		{"undrain api api-3", 3, "", `undrain "api api-3": no such instance, did you mean api-1?`},
		{"timeline api api-1", 0, `  api-1     status      10.0.0.7:80  1        draining  "operator: deploy\x1b"` + "\n", ""},
		{"timeline api", 0, "  api-2     registered  10.0.0.7:80  2        up        -\n", ""},
		{"timeline api api-2 -o json", 0, `,"instanceId":"api-2","type":"registered","address":"10.0.0.7:80","version":"2","status":"up"}` + "\n]}\n", ""},
		{"timeline api api-3", 3, "", `read timeline "api api-3": nothing is known to have happened there, did you mean api-1?`},
		{"timeline", 2, "", "takes SERVICE [INSTANCE], got 0 arguments"},
		{"watch api --all", 2, "", "takes one of --all and SERVICE"},
		{"watch --timeout 100ms", 6, "there         api  api-1  10.0.0.7:80  1  west  up\n", "error: deadline_exceeded: not done within 100ms"},
		{"watch --address 127.0.0.1:1", 6, "", "error: unavailable (unreachable): watch: connection error"},
		{"watch -n NO", 7, "", "error: invalid_argument: watch: namespace: "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			c := d.command
			c.t = t
			c.want(c.run(append([]string{"discovery"}, strings.Fields(tt.args)...)...), tt.code, tt.out, tt.err)
		})
	}
}

// TestDiscoveryList lists more than a page, in every form.
func TestDiscoveryList(t *testing.T) {
	d, _ := newDiscovering(t, nil)
	const many = 1100
	for i := range many {
		d.up(fmt.Sprintf("s-%04d", i), "a", "", "")
		d.up("many", fmt.Sprintf("%04d", i), "", "")
	}
	for args, want := range map[string]int{"list s-": many + 2, "get many": many + 2, "timeline many": many + 1} {
		r := d.run(append([]string{"discovery"}, strings.Fields(args)...)...)
		if got := strings.Count(r.out, "\n"); r.code != 0 || got != want {
			t.Errorf("%s: got %d lines, exit code %d, want %d", args, got, r.code, want)
		}
	}
	for args, list := range map[string]string{"list s-": "services", "get many": "instances", "timeline many": "events"} {
		var all map[string]json.RawMessage
		var rows []map[string]any
		r := d.run(append([]string{"discovery", "-o", "json"}, strings.Fields(args)...)...)
		if err := json.Unmarshal([]byte(r.out), &all); err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		if err := json.Unmarshal(all[list], &rows); err != nil || len(rows) != many {
			t.Errorf("%s: got %d rows, %v", args, len(rows), err)
		}
	}
}

// TestDiscoveryWatch prints what there is, and changes as they happen, until Ctrl-C.
func TestDiscoveryWatch(t *testing.T) {
	d, _ := newDiscovering(t, nil)
	d.up("api", "api-1", "1", "west")
	out, errs, stop := d.start("discovery", "watch", "api")
	asJSON, _, stopJSON := d.start("discovery", "watch", "--all", "-o", "json")
	if got := out.await("there"); !regexp.MustCompile(`^\d\d:\d\d:\d\d  there         api  api-1  10\.0\.0\.7:80  1  west  up$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
	errs.await("The node is warming")
	errs.await("Watching for changes")
	asJSON.await(`"type":"added","namespace":"default","service":"api","instance":{"id":"api-1",`)
	asJSON.await(`"type":"synced","node":{"role":"write","warming":true,`)
	d.up("web", "w", "", "", func(r *discoverypb.RegisterRequest) { r.Namespace = "other" })
	asJSON.await(`"type":"added","namespace":"other","service":"web"`)
	d.want(d.run("discovery", "drain", "api", "api-1", "--reason", "deploy 42"), 0, "draining", "forgotten")
	d.up("api", "x\u202eb", "2", "", func(r *discoverypb.RegisterRequest) { r.Ttl = durationpb.New(time.Second) })
	for _, w := range []struct{ table, json string }{
		{"  updated       api  api-1  10.0.0.7:80  1  west  draining, by an operator: deploy 42 (itself: up)", `"type":"updated","namespace":"default","service":"api","instance":{"id":"api-1",`},
		{`  added         api  "x\u202eb"  10.0.0.7:80  2  up`, `"id":"x\u202eb"`},
		{`  lost          api  "x\u202eb"  10.0.0.7:80  no renewal for 1s`, `"event":"lost","reason":"no renewal for 1s"}`},
	} {
		out.await(w.table)
		asJSON.await(w.json)
	}
	for _, stop := range []func() int{stop, stopJSON} {
		if code := stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
}

// TestDiscoveryWatchThroughRestart goes on at the node that comes next.
func TestDiscoveryWatchThroughRestart(t *testing.T) {
	var address string
	var out, errs *lines
	var stop func() int
	t.Run("while it runs", func(inner *testing.T) {
		d, p := newDiscovering(inner, nil)
		address = p.Address(discoveryclient.Service)
		d.up("api", "a", "1", "")
		d.up("api", "b", "1", "")
		d.t = t
		out, errs, stop = d.start("discovery", "watch")
		out.await("there         api  b")
		errs.await("Watching for changes")
	})
	errs.await("No node is reached, trying again. What was there is what was known last: ")
	d, _ := newDiscovering(t, map[string]string{"DISCOVERY_ADDRESS": address})
	errs.await("Watching again.")
	d.up("api", "a", "1", "")
	d.up("api", "b", "2", "")
	if got := out.await("api"); !strings.HasSuffix(got, "  updated       api  b  10.0.0.7:80  2  up") {
		t.Errorf("got %q, want b alone", got)
	}
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// TestDiscoveryReadNode: what it says of itself stands above tables.
func TestDiscoveryReadNode(t *testing.T) {
	var c discovering
	t.Run("while its source runs", func(inner *testing.T) {
		write, p := newDiscovering(inner, map[string]string{"DISCOVERY_ROLE": "write"})
		write.up("api", "a", "1", "")
		write.want(write.run("discovery", "list"), 7, "", "error: failed_precondition (discovery.write_only): ")
		c, _ = newDiscovering(t, map[string]string{"DISCOVERY_ROLE": "read", "DISCOVERY_SOURCE": p.Address(discoveryclient.Service)})
		c.want(c.run("discovery", "drain", "api", "a"), 0, "draining", "forgotten")
	})
	old := regexp.MustCompile(`(?s)^The node .*The node is not up to date: it heard of the one that it follows \d+s ago\.\nThe node that it follows is not reached: .*\nSERVICE `)
	for r := c.run("discovery", "list"); !old.MatchString(r.out); r = c.run("discovery", "list") {
		if r.code != 0 || t.Context().Err() != nil {
			t.Fatalf("got %+v", r)
		}
	}
	c.want(c.run("discovery", "get", "api", "-o", "json"), 0, `"role":"read","warming":true,"age":"`, "")
	c.want(c.run("discovery", "undrain", "api", "a"), 6, "", "error: unavailable")
}

// TestNodeLines says what is not as usual, and nothing else.
func TestNodeLines(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, n := range map[string]discoveryclient.Node{
		"": {Role: discoveryclient.RoleWrite, Leases: 10, Late: 1, Watchers: 3},
		"The node preserves leases since 2030-01-02T03:04:05Z: 40 of 100 are late, and none ends.": {Leases: 100, Late: 40, Preserving: at},
		`The registry below is not reached: "a\nb"`:                                                {Role: discoveryclient.RoleWrite, Away: "a\nb"},
		"The node is not up to date: it heard of the one that it follows 2m ago.":                  {Role: discoveryclient.RoleRead, Age: 2 * time.Minute},
	} {
		if got := strings.Join(nodeLines(n), "; "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestDiscoveryCompletion offers names of services and instances.
func TestDiscoveryCompletion(t *testing.T) {
	d, _ := newDiscovering(t, nil)
	d.up("api", "api-1", "", "")
	d.up("web", "w", "", "")
	d.up("not plain", "x", "", "")
	for args, want := range map[string]string{
		"":                "timeline:list what",
		"get":             "api\nweb\n",
		"drain":           "api\nweb\n",
		"drain api":       "api-1\n",
		"timeline api":    "api-1\n",
		"watch api":       "web\n",
		"drain api --rea": "--reason:",
	} {
		d.want(d.run(append(append([]string{"discovery"}, strings.Fields(args)...), "--generate-shell-completion")...), 0, want, "")
	}
	for _, args := range []string{"get api", "drain api api-1", "drain nothing", "get --address 127.0.0.1:1"} {
		d.want(d.run(append(append([]string{"discovery"}, strings.Fields(args)...), "--generate-shell-completion")...), 0, "", "")
	}
}
