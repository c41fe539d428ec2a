package handler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/discovery-srv/internal/handler"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// pages calls each page of a list, and returns what part makes of them.
func pages[Q, R any, P interface {
	*R
	proto.Message
	GetNextPageToken() string
}](t *testing.T, h *handler.Handler, req func(token string) Q, part func(P) []string) (all [][]string) {
	t.Helper()
	for token := ""; ; {
		rsp := must[P](t, h, any(req(token)).(proto.Message))
		all = append(all, part(rsp))
		if token = rsp.GetNextPageToken(); token == "" {
			return all
		}
		if len(all) > 100 {
			t.Fatal("pages without end")
		}
	}
}

func ids(rsp *discoverypb.GetServiceResponse) (all []string) {
	for _, i := range rsp.GetInstances() {
		all = append(all, i.GetId())
	}
	return all
}

// get returns the pages of shop.
func get(t *testing.T, h *handler.Handler, f *discoverypb.Filter, size int32) [][]string {
	t.Helper()
	return pages(t, h, func(token string) *discoverypb.GetServiceRequest {
		return &discoverypb.GetServiceRequest{Service: "shop", Filter: f, PageSize: size, PageToken: token}
	}, ids)
}

func equal[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestGetService(t *testing.T) {
	h := open(t, 0)
	for n, id := range []string{"e", "c", "a", "d", "b"} {
		register(t, h, id, func(i *discoverypb.Instance) {
			i.Zone, i.Version = []string{"x", "y"}[n%2], fmt.Sprint(n)
			i.Metadata, i.ServiceMetadata = map[string]string{"id": id}, map[string]string{"id": "of the service", "of": "service"}
			if id == "d" {
				i.InstanceStatus = discoverypb.Status_STATUS_DRAINING
			}
		})
	}
	type f = discoverypb.Filter
	for name, tt := range map[string]struct {
		filter *f
		want   string
	}{
		"none":                                   {nil, "a b c d e"},
		"empty":                                  {&f{}, "a b c d e"},
		"a zone":                                 {&f{Zones: []string{"x", "z"}}, "a b e"},
		"versions":                               {&f{Versions: []string{"0", "3"}}, "d e"},
		"a status":                               {&f{Statuses: []discoverypb.Status{discoverypb.Status_STATUS_DRAINING}}, "d"},
		"instances":                              {&f{InstanceIds: []string{"d", "b", "x"}}, "b d"},
		"metadata":                               {&f{Metadata: map[string]string{"id": "c", "of": "service"}}, "c"},
		"metadata that is of the instance first": {&f{Metadata: map[string]string{"id": "of the service"}}, ""},
		"metadata that none has":                 {&f{Metadata: map[string]string{"no": ""}}, ""},
		"all of them":                            {&f{Zones: []string{"x"}, Versions: []string{"2", "3"}, Metadata: map[string]string{"of": "service"}}, "a"},
	} {
		want := strings.Fields(tt.want)
		for size := range int32(7) {
			got := get(t, h, tt.filter, size)
			if most := max(1, (len(want)+int(size)-1)/max(1, int(size))); size > 0 && len(got) != most {
				t.Errorf("%s: %d pages of %d, want %d", name, len(got), size, most)
			}
			equal(t, fmt.Sprint(name, ", page size ", size), want, append([]string{}, slices.Concat(got...)...))
		}
	}

	first := must[*discoverypb.GetServiceResponse](t, h, &discoverypb.GetServiceRequest{Service: "shop"}).GetInstances()[0]
	if first.GetWeight() != 100 || first.GetStatus() != discoverypb.Status_STATUS_UP || first.GetTtl().AsDuration() != 30*time.Second {
		t.Errorf("what was left out: %v", first)
	}
	one := &f{Metadata: map[string]string{"of": "service", "service": "of"}}
	other := &f{Metadata: map[string]string{"of": "of", "service": "service"}}
	for _, id := range []string{"x", "y"} {
		register(t, h, id, func(i *discoverypb.Instance) { i.ServiceMetadata = one.GetMetadata() })
	}
	token := must[*discoverypb.GetServiceResponse](t, h, &discoverypb.GetServiceRequest{Service: "shop", Filter: one, PageSize: 1}).GetNextPageToken()
	if _, err := call(t.Context(), h, &discoverypb.GetServiceRequest{Service: "shop", Filter: other, PageToken: token}); err == nil || token == "" {
		t.Errorf("a page token %q of other metadata: got no error", token)
	}
}

func TestPagesAreBounded(t *testing.T) {
	h := open(t, 0)
	for n := range 100 {
		register(t, h, fmt.Sprintf("%03d", n), func(i *discoverypb.Instance) {
			i.Metadata = map[string]string{"large": strings.Repeat("x", 63<<10)}
		})
	}
	seen := 0
	for _, page := range pages(t, h, func(token string) *discoverypb.GetServiceRequest {
		return &discoverypb.GetServiceRequest{Service: "shop", PageToken: token}
	}, func(rsp *discoverypb.GetServiceResponse) []string {
		if n := proto.Size(rsp); n > 3<<20+1<<10 {
			t.Errorf("a page has %d bytes, want 3 MiB at most", n)
		}
		return ids(rsp)
	}) {
		seen += len(page)
	}
	if seen != 100 {
		t.Errorf("pages have %d instances, want 100", seen)
	}
}

func TestListServices(t *testing.T) {
	h := open(t, 0)
	for _, name := range []string{"a/shop", "a/shop/api", "a/cart", "b/shop", "default/shop"} {
		namespace, service, _ := strings.Cut(name, "/")
		must[*discoverypb.RegisterResponse](t, h, &discoverypb.RegisterRequest{
			Namespace: namespace, Service: service, Instance: &discoverypb.Instance{Id: "a", Address: "a:1"},
		})
	}
	for _, tt := range []struct {
		req  *discoverypb.ListServicesRequest
		want string
	}{
		{&discoverypb.ListServicesRequest{}, "default/shop"},
		{&discoverypb.ListServicesRequest{Namespace: "a"}, "a/cart a/shop a/shop/api"},
		{&discoverypb.ListServicesRequest{Namespace: "a", Prefix: "shop"}, "a/shop a/shop/api"},
		{&discoverypb.ListServicesRequest{Namespace: "c"}, ""},
		{&discoverypb.ListServicesRequest{AllNamespaces: true}, "a/cart a/shop a/shop/api b/shop default/shop"},
		{&discoverypb.ListServicesRequest{AllNamespaces: true, Prefix: "shop/"}, "a/shop/api"},
	} {
		for size := range int32(4) {
			got := pages(t, h, func(token string) *discoverypb.ListServicesRequest {
				req := proto.CloneOf(tt.req)
				req.PageSize, req.PageToken = size, token
				return req
			}, func(rsp *discoverypb.ListServicesResponse) (all []string) {
				for _, s := range rsp.GetServices() {
					all = append(all, s.GetNamespace()+"/"+s.GetService())
				}
				return all
			})
			equal(t, fmt.Sprint(tt.req, ", page size ", size), tt.want, strings.Join(slices.Concat(got...), " "))
		}
	}
}

func TestTimeline(t *testing.T) {
	h := open(t, 0)
	for _, id := range []string{"a", "b"} {
		own := register(t, h, id, nil)
		must[*discoverypb.SetStatusResponse](t, h, &discoverypb.SetStatusRequest{Service: "shop", InstanceId: id, LeaseId: own, Status: 2, Reason: "why"})
		must[*discoverypb.DeregisterResponse](t, h, &discoverypb.DeregisterRequest{Service: "shop", InstanceId: id, Reason: "done"})
	}
	of := func(id string) []string {
		return []string{id + " TYPE_DEREGISTERED done", id + " TYPE_STATUS instance: why", id + " TYPE_REGISTERED "}
	}
	for id, want := range map[string][]string{"": append(of("b"), of("a")...), "a": of("a")} {
		for size := range int32(8) {
			got := pages(t, h, func(token string) *discoverypb.TimelineRequest {
				return &discoverypb.TimelineRequest{Service: "shop", InstanceId: id, PageSize: size, PageToken: token}
			}, func(rsp *discoverypb.TimelineResponse) (all []string) {
				for _, e := range rsp.GetEvents() {
					all = append(all, fmt.Sprint(e.GetInstanceId(), " ", e.GetType(), " ", e.GetReason()))
				}
				return all
			})
			equal(t, fmt.Sprintf("of %q, page size %d", id, size), want, slices.Concat(got...))
		}
	}
}
