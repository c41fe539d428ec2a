package page_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const script = `<script>document.title = "pwned"</script>`

// names are those of services and instances that try to be something else.
func names() []string {
	return []string{
		script, strings.Repeat("k\U0001F600", 40), "user/\u202egnp.exe\u202c/\u0645\u0631\u062d\u0628\u0627", "?namespace=other&service=x#y",
		" ", "%2e%2e%2f", "javascript:alert(1)", "a;b", "a+b%20c", `"quoted' ] \`, "\ufffd", "...",
	}
}

func hostile(id string) *discoverypb.Instance {
	const odd = "\x00\r\n\u202e" + script
	return &discoverypb.Instance{
		Id: id, Address: "[::1]:1", Version: script, Zone: "\x00\n\u202e<b>",
		Metadata: map[string]string{odd: odd, "": ""}, ServiceMetadata: map[string]string{script: odd},
		Endpoints: []*discoverypb.Endpoint{{
			Name: odd, Metadata: map[string]string{odd: odd},
			Request: &discoverypb.Value{Name: odd, Type: script, Values: []*discoverypb.Value{{Name: script}, {Type: odd}}},
		}},
		InstanceStatus: discoverypb.Status_STATUS_DRAINING, StatusReason: odd,
	}
}

// TestViews: every page answers, with nothing registered and with everything.
func TestViews(t *testing.T) {
	s := open(t)
	every := []string{"", "?prefix=none", "?namespace=none"}
	check := func() {
		t.Helper()
		for _, at := range every {
			a := s.show(t, at)
			if h := a.all(func(n *htmlNode) bool { return n.Data == "h1" }); len(h) != 1 || inside(h[0]) == "That did not work" || inside(h[0]) == "" {
				t.Errorf("%s: the page says %s", at, a.text())
			}
			if strings.Contains(a.body, script) {
				t.Errorf("%s: script of a name is in the page", at)
			}
		}
	}
	check()
	wantHas(t, s.show(t, ""), "No services yet", "PLATFORM_REGISTRY=discovery://", "keeps leases", "warming")
	wantHas(t, s.show(t, "?prefix=none"), "No such services")
	for _, name := range names() {
		for _, id := range []string{name, "plain"} {
			s.register(t, name, hostile(id))
			every = append(every, one(name, id), at("deregister", name, "instance", id))
		}
		every = append(every, at("service", name), at("timeline", name), "?prefix="+strings.TrimPrefix(at("", name), "?service="),
			at("service", name, "zone", hostile("").GetZone(), "version", script, "status", "draining"))
	}
	check()
}

func TestWrongAddresses(t *testing.T) {
	s := open(t)
	s.register(t, "shop", &discoverypb.Instance{Id: "a"})
	for at, tt := range map[string]struct {
		status int
		says   string
	}{
		at("service", "none"):                        {404, "No instances"},
		at("timeline", "none"):                       {404, "Nothing is known to have happened"},
		one("none", "a"):                             {404, "It is not here"},
		one("shop", "none"):                          {404, "It is not here"},
		at("deregister", "shop", "instance", "none"): {404, "no such instance"},
		"service":                                      {400, "service: 0 bytes long"},
		"timeline":                                     {400, "service: 0 bytes long"},
		"instance":                                     {400, "instance: missing"},
		at("instance", "shop"):                         {400, "instance: missing"},
		at("deregister", "shop"):                       {400, "instance: missing"},
		one("shop", "\xff"):                            {400, "instance_id: not UTF-8"},
		one("shop", "a/../b"):                          {400, "instance_id"},
		"service?service=%ff":                          {400, "service: not UTF-8"},
		at("service", "shop", "namespace", "A"):        {400, "namespace: has 'A', want 1 to 63 of a-z, 0-9 and -"},
		at("service", "shop", "status", "gone"):        {400, `status: "gone", want up, draining or out-of-service`},
		at("service", "shop", "after", "x"):            {400, "page_token"},
		at("timeline", "shop", "after", "x"):           {400, "page_token"},
		"?namespace=%E2%80%AE":                         {400, "namespace: has"},
		"?after=nonsense":                              {400, "page_token"},
		"?prefix=" + strings.Repeat("x", 201):          {400, "prefix: 201 bytes long"},
		"?prefix=a;b":                                  {400, "the address of the page cannot be read"},
		at("service", "shop", "zone", "\xff"):          {200, "None of them"},
		at("service", strings.Repeat("x", 201)):        {400, "service: 201 bytes long"},
		at("instance", "a", "instance", "b/\x00"):      {400, "instance_id: has a control character"},
		at("timeline", "shop", "namespace", "-", "x"):  {404, "Nothing is known"},
		at("deregister", "shop", "namespace", "other"): {400, "instance: missing"},
	} {
		a := s.get(t, at)
		wantStatus(t, a, tt.status)
		wantHas(t, a, tt.says)
	}
}

// TestHostileNames: each instance is reached by the links from the list, and what is done
// there is done to it.
func TestHostileNames(t *testing.T) {
	s := open(t)
	for _, name := range names() {
		s.register(t, name, hostile(name))
	}
	links := s.show(t, "").to("service?")
	all := names()
	slices.Sort(all)
	if len(links) != len(all) {
		t.Fatalf("%d links to %d services: %q", len(links), len(all), links)
	}
	for i, name := range all {
		a := s.show(t, links[i])
		for _, facet := range a.to("service?") {
			s.show(t, facet)
		}
		found := a.to("instance?")
		if len(found) != 1 {
			t.Fatalf("%q has links %q", name, found)
		}
		a = s.show(t, found[0])
		for _, crumb := range append(a.to("service?"), a.to("./")...) {
			s.show(t, crumb)
		}
		wantStatus(t, s.submit(t, a, map[string]string{"status": "out-of-service", "reason": "\u202e" + script}), http.StatusSeeOther)
		if got := s.instance(t, name, name); got.GetOperatorStatus() != discoverypb.Status_STATUS_OUT_OF_SERVICE {
			t.Errorf("%q: got %v", name, got)
		}
		wantHas(t, s.show(t, a.to("timeline?")[0]), `operator: \u202e`+script, "registered")
		form := s.show(t, a.to("deregister?")[0])
		gone := s.submit(t, form, map[string]string{"reason": "it was\ttime"})
		wantStatus(t, gone, http.StatusSeeOther)
		wantHas(t, s.show(t, gone.header.Get("Location")), "deregistered", `it was\u0009time`)
		if s.instance(t, name, name) != nil {
			t.Errorf("%q is still there", name)
		}
	}
	wantHas(t, s.show(t, ""), "No services yet")
}

func TestServices(t *testing.T) {
	s := open(t)
	up := func(id, version, zone string) *discoverypb.Instance {
		return &discoverypb.Instance{Id: id, Version: version, Zone: zone}
	}
	s.register(t, "shop", up("a", "1.0", "east"))
	s.register(t, "shop", up("b", "1.1", "west"))
	s.registerIn(t, "staging", "shop", &discoverypb.Instance{Id: "c", InstanceStatus: discoverypb.Status_STATUS_OUT_OF_SERVICE})
	s.register(t, "store", up("a", "", ""))
	rows := s.show(t, "").rows()
	want := [][]string{
		{"shop", "default", "2", "0", "0", "1.0, 1.1", "east, west", "0"},
		{"store", "default", "1", "0", "0", "–", "–", "0"},
		{"shop", "staging", "0", "0", "1", "–", "–", "0"},
	}
	for i := range want {
		if len(rows) != len(want) || !slices.Equal(rows[i][:8], want[i]) || !strings.HasSuffix(rows[i][8], " ago") {
			t.Fatalf("got %q, want %q", rows, want)
		}
	}
	for query, services := range map[string]int{"?prefix=sh": 2, "?prefix=sto": 1, "?namespace=staging": 1, "?namespace=default&prefix=s": 2} {
		if got := s.show(t, query).rows(); len(got) != services {
			t.Errorf("%s: got %q, want %d", query, got, services)
		}
	}
	if fields := s.show(t, "?namespace=default&prefix=sh").fields(); fields["prefix"] != "sh" || fields["namespace"] != "default" {
		t.Errorf("the form has %v", fields)
	}
}

// TestPaging: the links of each list lead through all of it once.
func TestPaging(t *testing.T) {
	s := open(t)
	const total = 250
	for i := range total {
		s.register(t, fmt.Sprintf("s-%03d", i), &discoverypb.Instance{Id: "only"})
		s.register(t, "many", &discoverypb.Instance{Id: fmt.Sprintf("i-%03d", i), Zone: "east"})
		s.register(t, "many", &discoverypb.Instance{Id: fmt.Sprintf("j-%03d", i), Zone: "west"})
	}
	for first, column := range map[string]int{"?prefix=s-": 0, at("service", "many", "zone", "east"): 0} {
		var got []string
		for next := first; next != ""; next = s.show(t, next).links()["Next"] {
			for _, row := range s.show(t, next).rows() {
				got = append(got, row[column])
			}
		}
		if len(got) != total || !slices.IsSorted(got) || len(slices.Compact(got)) != total {
			t.Errorf("%s: got %d: %q", first, len(got), got)
		}
	}
	events := 0
	for next := at("timeline", "many"); next != ""; next = s.show(t, next).links()["Next"] {
		events += len(s.show(t, next).rows())
	}
	if events != 2*total {
		t.Errorf("%d events of %d instances", events, 2*total)
	}
}

// TestFarInstance: an instance is found on whatever page of its service it is.
func TestFarInstance(t *testing.T) {
	s := open(t)
	for i := range 60 { // more than 3 MiB
		s.register(t, "large", &discoverypb.Instance{Id: fmt.Sprintf("i-%02d", i), Metadata: map[string]string{"k": strings.Repeat("x", 60<<10)}})
	}
	wantHas(t, s.show(t, one("large", "i-59")), "i-59", "10.0.0.1:8080")
	wantStatus(t, s.get(t, one("large", "i-595")), http.StatusNotFound)
}

func TestInstance(t *testing.T) {
	s := open(t)
	rsp, err := s.registry.Register(t.Context(), &discoverypb.RegisterRequest{Namespace: "team-a", Service: "shop", Ttl: durationpb.New(90 * time.Second), Instance: &discoverypb.Instance{
		Id: "shop-1", Address: "10.1.2.3:80", Version: "1.2.3", Zone: "east", Weight: 40,
		Metadata: map[string]string{"b": "2", "a": "\u202e1"}, ServiceMetadata: map[string]string{"owner": "billing"},
		Endpoints: []*discoverypb.Endpoint{{
			Name: "Shop.Buy", Metadata: map[string]string{"stream": "true"},
			Request:  &discoverypb.Value{Name: "BuyRequest", Type: "BuyRequest", Values: []*discoverypb.Value{{Name: "id", Type: "string"}, {Name: "n", Type: "int64"}}},
			Response: &discoverypb.Value{Name: "BuyResponse"},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	here := at("instance", "shop", "namespace", "team-a", "instance", "shop-1")
	a := s.show(t, here)
	wantHas(t, a, "10.1.2.3:80", "1.2.3", "east", "40", "lease", "1m30s without a renewal", `\u202e1`, "owner", "billing",
		"Shop.Buy", "BuyRequest{id string, n int64}", "BuyResponse", "stream=true", "registered")
	if got, want := a.links()["team-a"], "./?namespace=team-a"; got != want {
		t.Errorf("the way back is %s, want %s", got, want)
	}
	status := func(lease string, status discoverypb.Status, reason string) {
		t.Helper()
		if _, err := s.registry.SetStatus(t.Context(), &discoverypb.SetStatusRequest{
			Namespace: "team-a", Service: "shop", InstanceId: "shop-1", LeaseId: lease, Status: status, Reason: reason,
		}); err != nil {
			t.Fatal(err)
		}
	}
	status(rsp.GetLeaseId(), discoverypb.Status_STATUS_DRAINING, "it stops")
	wantHas(t, s.show(t, here), "drainingby itself: it stops")
	status("", discoverypb.Status_STATUS_OUT_OF_SERVICE, "disk")
	wantHas(t, s.show(t, here), "out of serviceby an operator: diskit says: draining")
	wantHas(t, s.show(t, at("service", "shop", "namespace", "team-a")), "out of serviceby an operator: diskit says: draining")
	status("", discoverypb.Status_STATUS_UP, "")
	wantHas(t, s.show(t, here), "upby an operatorit says: draining")
}
