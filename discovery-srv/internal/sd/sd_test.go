package sd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/discovery-srv/internal/sd"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// group is what Prometheus reads.
type group struct {
	Targets []string
	Labels  map[string]string
}

// node is a service that runs.
type node struct {
	t        *testing.T
	registry discoverypb.RegistryService
	url      string
}

func run(t *testing.T) *node {
	t.Helper()
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	return &node{t, discoverypb.NewRegistryService("discovery-srv", p.Client), "http://" + p.Address("discovery-srv")}
}

func (n *node) register(namespace, service string, i *discoverypb.Instance) {
	n.t.Helper()
	req := &discoverypb.RegisterRequest{Namespace: namespace, Service: service, Instance: i}
	if _, err := n.registry.Register(n.t.Context(), req); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) get(path string) (int, http.Header, string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.url+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return rsp.StatusCode, rsp.Header, string(b)
}

// groups asks with a query.
func (n *node) groups(query string) []group {
	n.t.Helper()
	status, header, body := n.get("/prometheus/sd" + query)
	var all []group
	if err := json.Unmarshal([]byte(body), &all); err != nil || status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		n.t.Fatalf("%s: got %d, %v, %s, error %v", query, status, header, body, err)
	}
	return all
}

func up(id, address string) *discoverypb.Instance {
	return &discoverypb.Instance{Id: id, Address: address}
}

// TestTargets: each instance is a target with all that is known of it.
func TestTargets(t *testing.T) {
	n := run(t)
	if _, _, body := n.get("/prometheus/sd"); body != "[]\n" {
		t.Errorf("of nothing: got %q", body)
	}
	n.register("", "greeter", &discoverypb.Instance{
		Id: "a", Address: "192.0.2.1:80", Version: "1.2", Zone: "z-1", Weight: 7, InstanceStatus: discoverypb.Status_STATUS_DRAINING,
		Metadata: map[string]string{"metrics-path": "/m", "a/b": "1", "same": "own"}, ServiceMetadata: map[string]string{"same": "all", "team": "ä\"\n"},
	})
	n.register("team-a", "<Other>", up("b", "[2001:db8::1]:80"))
	want := []group{{[]string{"192.0.2.1:80"}, map[string]string{
		"__meta_platform_namespace": "default", "__meta_platform_service": "greeter", "__meta_platform_instance_id": "a",
		"__meta_platform_version": "1.2", "__meta_platform_zone": "z-1", "__meta_platform_status": "draining", "__meta_platform_weight": "7",
		"__meta_platform_metadata_metrics_path": "/m", "__meta_platform_metadata_a_b": "1", "__meta_platform_metadata_same": "own",
		"__meta_platform_metadata_team": "ä\"\n",
	}}}
	if diff := cmp.Diff(want, n.groups("")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []group{{[]string{"[2001:db8::1]:80"}, map[string]string{
		"__meta_platform_namespace": "team-a", "__meta_platform_service": "<Other>", "__meta_platform_instance_id": "b",
		"__meta_platform_version": "", "__meta_platform_zone": "", "__meta_platform_status": "up", "__meta_platform_weight": "100",
	}}}
	if diff := cmp.Diff(want, n.groups("?namespace=team-a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, _, metrics := n.get("/metrics")
	for _, want := range []string{
		`code="ok",endpoint="Registry.ListServices",protocol="page"} 3`, `code="ok",endpoint="Registry.GetService",protocol="page"} 2`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in metrics", want)
		}
	}
}

// TestFilter: parameters choose, and one that is given twice takes either.
func TestFilter(t *testing.T) {
	n := run(t)
	for i, words := range []string{"a 1 z1 UP", "a 2 z2 DRAINING", "a 2 z1 OUT_OF_SERVICE", "b 1 z1 UP", "c 3 z3 UP"} {
		w := strings.Fields(words)
		n.register("", w[0], &discoverypb.Instance{
			Id: fmt.Sprint(i), Address: fmt.Sprintf("192.0.2.1:%d", i+1), Version: w[1], Zone: w[2],
			InstanceStatus: discoverypb.Status(discoverypb.Status_value["STATUS_"+w[3]]),
		})
	}
	for query, want := range map[string]string{
		"":                                     "0 1 3 4",
		"?service=a":                           "0 1",
		"?service=b&service=a&service=a":       "0 1 3",
		"?service=none":                        "",
		"?service=none&service=c":              "4",
		"?zone=z1":                             "0 3",
		"?zone=z1&zone=z3":                     "0 3 4",
		"?version=2":                           "1",
		"?version=2&status=out_of_service":     "2",
		"?status=up":                           "0 3 4",
		"?status=up&status=out_of_service":     "0 2 3 4",
		"?service=a&zone=z2&version=2":         "1",
		"?namespace=default&service=c":         "4",
		"?namespace=none":                      "",
		"?namespace=":                          "0 1 3 4",
		"?status=draining&status=up&version=1": "0 3",
	} {
		var got []string
		for _, g := range n.groups(query) {
			got = append(got, g.Labels["__meta_platform_instance_id"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

// TestWrong: a complaint names the parameter.
func TestWrong(t *testing.T) {
	n := run(t)
	for query, want := range map[string]string{
		"?servce=a":                              "servce: no such parameter (have namespace, service, status, version, zone)",
		"?status=UP":                             `status: "UP", want up, draining or out_of_service`,
		"?status=":                               `status: "", want up`,
		"?status=unspecified":                    `status: "unspecified", want up`,
		"?namespace=Team":                        "namespace: has 'T', want 1 to 63 of a-z, 0-9 and -",
		"?namespace=a&namespace=b":               "namespace: 2 of them, want one",
		"?service=":                              "service: 0 bytes long, want 1 to 200",
		"?service=a//b":                          `service: "a//b" has a part "" between slashes`,
		"?service=%ff":                           "service: not UTF-8",
		"?service=a%zz":                          "the query is not of the form",
		"?" + strings.Repeat("zone=a&", 17):      "zone: 17 of them, want at most 16",
		"?" + strings.Repeat("version=a&", 17):   "version: 17 of them, want at most 16",
		"?" + strings.Repeat("service=a&", 1001): "service: 1001 of them, want 1 to 1000",
	} {
		if strings.HasPrefix(want, "zone") || strings.HasPrefix(want, "version") {
			n.register("", "a", up("a", "192.0.2.1:80")) // else nobody looks
		}
		status, _, body := n.get("/prometheus/sd" + query)
		var said struct{ Code, Message string }
		if err := json.Unmarshal([]byte(body), &said); err != nil || status != http.StatusBadRequest || said.Code != "invalid_argument" || !strings.HasPrefix(said.Message, want) {
			t.Errorf("%.40s: got %d, %s", query, status, body)
		}
	}
}

// TestMany: the list goes on from page to page.
func TestMany(t *testing.T) {
	n := run(t)
	const services, instances = 1100, 2100 // pages have 1000
	for i := range services {
		n.register("", fmt.Sprintf("s%d", i), up("one", "192.0.2.1:80"))
	}
	for i := range instances {
		n.register("", "many", up(fmt.Sprint(i), "192.0.2.2:80"))
	}
	seen := map[string]bool{}
	for _, g := range n.groups("") {
		seen[g.Labels["__meta_platform_service"]+"/"+g.Labels["__meta_platform_instance_id"]] = true
	}
	if len(seen) != services+instances {
		t.Errorf("got %d targets, want %d", len(seen), services+instances)
	}
}

// TestCutOff: a list that cannot be told to its end is no list, so that Prometheus keeps
// what it has.
func TestCutOff(t *testing.T) {
	away := rpcerr.New(codes.ResourceExhausted, "too_many_calls", "come back later")
	for _, pages := range []int{0, 1, 100} {
		calls := 0
		s := httptest.NewServer(sd.Handler(func(_ context.Context, _ *http.Request, _ string, _, rsp proto.Message) error {
			if calls++; calls > pages {
				return away
			}
			to := rsp.(*discoverypb.GetServiceResponse)
			to.NextPageToken = "more"
			for range 20 {
				to.Instances = append(to.Instances, up("a", "192.0.2.1:80"))
			}
			return nil
		}))
		defer s.Close() //nolint:revive // of three
		rsp, err := http.Get(s.URL + "?" + url.Values{"service": {"a"}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rsp.Body)
		rsp.Body.Close()
		if pages < 100 {
			if err != nil || rsp.StatusCode != http.StatusTooManyRequests || !strings.Contains(string(b), "come back later") {
				t.Errorf("after %d pages: got %d, %s, error %v", pages, rsp.StatusCode, b, err)
			}
		} else if !errors.Is(err, io.ErrUnexpectedEOF) || json.Valid(b) {
			t.Errorf("after %d pages: got %d bytes that are all there is, error %v", pages, len(b), err)
		}
	}
}
