package handler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// valid is a request that is.
func valid() *discoverypb.RegisterRequest {
	return &discoverypb.RegisterRequest{
		Namespace: "billing", Service: "shop/api", Ttl: durationpb.New(time.Second),
		Instance: &discoverypb.Instance{
			Id: "a", Address: "[::1]:8080", Version: "1.2", Zone: "b", Weight: 10_000, InstanceStatus: discoverypb.Status_STATUS_DRAINING,
			Metadata: map[string]string{"a": "b"}, ServiceMetadata: map[string]string{"c": "d"},
			Endpoints: []*discoverypb.Endpoint{{Name: "KV.Get", Request: &discoverypb.Value{Name: "r", Values: []*discoverypb.Value{{Name: "v"}}}}},
		},
	}
}

// but is the valid request with something else.
func but(change func(*discoverypb.RegisterRequest, *discoverypb.Instance)) *discoverypb.RegisterRequest {
	r := valid()
	change(r, r.GetInstance())
	return r
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestInvalidRegister(t *testing.T) {
	long := strings.Repeat("x", 201)
	type req = discoverypb.RegisterRequest
	type in = discoverypb.Instance
	deep := &discoverypb.Value{}
	for range 8 {
		deep = &discoverypb.Value{Values: []*discoverypb.Value{deep}}
	}
	endpoint := func(e *discoverypb.Endpoint) *req {
		return but(func(_ *req, i *in) { i.Endpoints = append(i.Endpoints, e) })
	}
	address := func(s string) *req { return but(func(_ *req, i *in) { i.Address = s }) }
	ttl := func(d time.Duration) *req { return but(func(r *req, _ *in) { r.Ttl = durationpb.New(d) }) }
	id := func(s string) *req { return but(func(_ *req, i *in) { i.Id = s }) }
	complain(t, []complaint{
		{&req{}, `service: 0 bytes long, want 1 to 200`},
		{but(func(r *req, _ *in) { r.Namespace = "Upper" }), `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{but(func(r *req, _ *in) { r.Service = long }), `service: 201 bytes long, want 1 to 200`},
		{but(func(r *req, _ *in) { r.Service = "a/../b" }), `service: "a/../b" has a part ".." between slashes, want none that is empty, . or ..`},
		{but(func(r *req, _ *in) { r.Service = "a/" }), `service: "a/" has a part "" between slashes, want none that is empty, . or ..`},
		{but(func(r *req, _ *in) { r.Instance = nil }), `instance: missing`},
		{ttl(0), `ttl: 0s, want 1s to 1h, or none for 30s`},
		{ttl(time.Second - 1), `ttl: 999.999999ms, want 1s to 1h, or none for 30s`},
		{ttl(time.Hour + 1), `ttl: 1h0m0.000000001s, want 1s to 1h, or none for 30s`},
		{but(func(r *req, _ *in) { r.Ttl = &durationpb.Duration{Seconds: 2, Nanos: -1} }), `ttl: 1.999999999s, want 1s to 1h, or none for 30s`},
		{id(""), `instance.id: 0 bytes long, want 1 to 200`},
		{id(long), `instance.id: 201 bytes long, want 1 to 200`},
		{id("a\nb"), `instance.id: has a control character`},
		{id("\xff"), `instance.id: not UTF-8`},
		{id("."), `instance.id: "." has a part "." between slashes, want none that is empty, . or ..`},
		{address(""), `instance.address: "", want host:port`},
		{address("a"), `instance.address: "a", want host:port`},
		{address(":80"), `instance.address: ":80", want host:port`},
		{address("a:0"), `instance.address: "a:0", want host:port`},
		{address("a:65536"), `instance.address: "a:65536", want host:port`},
		{address("a:http"), `instance.address: "a:http", want host:port`},
		{address("::1:80"), `instance.address: "::1:80", want host:port`},
		{address("http://a:80"), `instance.address: "http://a:80", want host:port`},
		{address("a b:80"), `instance.address: "a b:80", want host:port`},
		{address("a\n:80"), `instance.address: "a\n:80", want host:port`},
		{address("a\xff:80"), `instance.address: not UTF-8`},
		{address(long + long + ":80"), `instance.address: 405 bytes long, want at most 260`},
		{but(func(_ *req, i *in) { i.Version = long }), `instance.version: 201 bytes long, want at most 64`},
		{but(func(_ *req, i *in) { i.Zone = long }), `instance.zone: 201 bytes long, want at most 64`},
		{but(func(_ *req, i *in) { i.Zone = "\xff" }), `instance.zone: not UTF-8`},
		{but(func(_ *req, i *in) { i.Weight = 10_001 }), `instance.weight: 10001, want 1 to 10000, or 0 for 100`},
		{but(func(_ *req, i *in) { i.InstanceStatus = 4 }), `instance.instance_status: 4, want UP, DRAINING or OUT_OF_SERVICE`},
		{but(func(_ *req, i *in) { i.StatusReason = long + long }), `instance.status_reason: 402 bytes long, want at most 256`},
		{but(func(_ *req, i *in) { i.Metadata["\xff"] = "" }), `instance.metadata: not UTF-8`},
		{but(func(_ *req, i *in) { i.ServiceMetadata["a"] = "\xff" }), `instance.service_metadata: not UTF-8`},
		{endpoint(&discoverypb.Endpoint{Name: "\xff"}), `instance.endpoints: not UTF-8`},
		{endpoint(&discoverypb.Endpoint{Metadata: map[string]string{"\xff": ""}}), `instance.endpoints: not UTF-8`},
		{endpoint(&discoverypb.Endpoint{Response: &discoverypb.Value{Type: "\xff"}}), `instance.endpoints: not UTF-8`},
		{endpoint(&discoverypb.Endpoint{Request: deep}), `instance.endpoints: values more than 8 deep`},
		{
			&req{Service: "a", Instance: &in{Id: "a", Address: "a:1", Metadata: map[string]string{"a": strings.Repeat("x", 256<<10)}}},
			`instance: 262155 bytes of metadata, service_metadata and endpoints, want at most 262144`,
		},
	})
	must[*discoverypb.RegisterResponse](t, open(t, 0), valid())
	must[*discoverypb.RegisterResponse](t, open(t, 0), endpoint(&discoverypb.Endpoint{Request: deep.GetValues()[0]}))
	must[*discoverypb.RegisterResponse](t, open(t, 0), endpoint(nil))
}

// complaint is what the message of an error is, which begins with the field.
type complaint struct {
	req  proto.Message
	want string
}

func complain(t *testing.T, all []complaint) {
	t.Helper()
	h := open(t, 0)
	for _, tt := range all {
		_, err := call(t.Context(), h, tt.req)
		got := rpcerr.From(err)
		if err == nil || got.Code != codes.InvalidArgument || got.Message != tt.want || !strings.HasPrefix(tt.want, got.Field+": ") {
			t.Errorf("%T: got %v, want %s", tt.req, err, tt.want)
		}
	}
}

func TestInvalidRequests(t *testing.T) {
	const dots = `"a//b" has a part "" between slashes, want none that is empty, . or ..`
	long := strings.Repeat("x", 257)
	h := open(t, 0)
	register(t, h, "a", nil)
	register(t, h, "b", nil)
	token := must[*discoverypb.GetServiceResponse](t, h, &discoverypb.GetServiceRequest{Service: "shop", PageSize: 1}).GetNextPageToken()
	type get = discoverypb.GetServiceRequest
	filter := func(f *discoverypb.Filter) *get { return &get{Service: "shop", Filter: f} }
	many := map[string]string{}
	for _, s := range numbers(17) {
		many[s] = ""
	}
	const pageToken = `page_token: not of this service and filter, want next_page_token of the page before`
	complain(t, []complaint{
		{&discoverypb.RenewRequest{}, `lease_ids: 0 of them, want 1 to 1000`},
		{&discoverypb.RenewRequest{LeaseIds: numbers(1001)}, `lease_ids: 1001 of them, want 1 to 1000`},
		{&discoverypb.RenewRequest{LeaseIds: []string{"a", "\xff"}}, `lease_ids[1]: not UTF-8`},

		{&discoverypb.DeregisterRequest{InstanceId: "a"}, `service: 0 bytes long, want 1 to 200`},
		{&discoverypb.DeregisterRequest{Service: "shop"}, `instance_id: 0 bytes long, want 1 to 200`},
		{&discoverypb.DeregisterRequest{Namespace: "a_b", Service: "shop", InstanceId: "a"}, `namespace: has '_', want 1 to 63 of a-z, 0-9 and -`},
		{&discoverypb.DeregisterRequest{Service: "shop", InstanceId: "a", Reason: long}, `reason: 257 bytes long, want at most 256`},

		{&discoverypb.SetStatusRequest{Service: "a//b", InstanceId: "a"}, `service: ` + dots},
		{&discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a//b"}, `instance_id: ` + dots},
		{&discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", Status: -1}, `status: -1, want UP, DRAINING or OUT_OF_SERVICE`},
		{
			&discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", LeaseId: "l"},
			`status: STATUS_UNSPECIFIED of an instance, want UP, DRAINING or OUT_OF_SERVICE`,
		},
		{&discoverypb.SetStatusRequest{Service: "shop", InstanceId: "a", Reason: "\xff"}, `reason: not UTF-8`},

		{&get{}, `service: 0 bytes long, want 1 to 200`},
		{filter(&discoverypb.Filter{Zones: numbers(17), Versions: numbers(17)}), `filter.zones: 17 of them, want at most 16`},
		{filter(&discoverypb.Filter{Versions: numbers(17)}), `filter.versions: 17 of them, want at most 16`},
		{filter(&discoverypb.Filter{Metadata: many}), `filter.metadata: 17 of them, want at most 16`},
		{filter(&discoverypb.Filter{Statuses: make([]discoverypb.Status, 17)}), `filter.statuses: 17 of them, want at most 16`},
		{filter(&discoverypb.Filter{InstanceIds: numbers(17)}), `filter.instance_ids: 17 of them, want at most 16`},
		{filter(&discoverypb.Filter{Statuses: []discoverypb.Status{7}}), `filter.statuses: 7, want UP, DRAINING or OUT_OF_SERVICE`},
		{&get{Service: "shop", PageSize: -1}, `page_size: -1, want 1 to 1000, or 0 for 1000`},
		{&get{Service: "shop", PageToken: "?"}, pageToken},
		{&get{Service: "cart", PageToken: token}, pageToken},
		{&get{Namespace: "other", Service: "shop", PageToken: token}, pageToken},
		{&get{Service: "shop", PageToken: token, Filter: &discoverypb.Filter{Zones: []string{""}}}, pageToken},

		{&discoverypb.ListServicesRequest{Namespace: "Upper"}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
		{&discoverypb.ListServicesRequest{Namespace: "a", AllNamespaces: true}, `all_namespaces: true beside namespace a, want one of them`},
		{&discoverypb.ListServicesRequest{Prefix: long}, `prefix: 257 bytes long, want at most 200`},
		{&discoverypb.ListServicesRequest{PageSize: 1001}, `page_size: 1001, want 1 to 1000, or 0 for 100`},
		{&discoverypb.ListServicesRequest{PageToken: token}, `page_token: not of these services, want next_page_token of the page before`},

		{&discoverypb.TimelineRequest{}, `service: 0 bytes long, want 1 to 200`},
		{&discoverypb.TimelineRequest{Service: "shop", InstanceId: "a//b"}, `instance_id: ` + dots},
		{&discoverypb.TimelineRequest{Service: "shop", PageSize: 1001}, `page_size: 1001, want 1 to 1000, or 0 for 100`},
		{&discoverypb.TimelineRequest{Service: "shop", PageToken: token}, `page_token: not of this timeline, want next_page_token of the page before`},

		{&discoverypb.WatchRequest{}, `services: 0 of them, want 1 to 1000`},
		{&discoverypb.WatchRequest{Services: numbers(1001)}, `services: 1001 of them, want 1 to 1000`},
		{&discoverypb.WatchRequest{Services: []string{"a", ""}}, `services[1]: 0 bytes long, want 1 to 200`},
		{&discoverypb.WatchRequest{Services: []string{"a"}, AllServices: true}, `all_services: true beside services, want one of them`},
		{&discoverypb.WatchRequest{Services: []string{"a"}, AllNamespaces: true}, `all_namespaces: true beside namespace or services, want it alone`},
		{&discoverypb.WatchRequest{Namespace: "a", AllNamespaces: true}, `all_namespaces: true beside namespace or services, want it alone`},
		{&discoverypb.WatchRequest{Namespace: "Upper", AllServices: true}, `namespace: has 'U', want 1 to 63 of a-z, 0-9 and -`},
	})
}
