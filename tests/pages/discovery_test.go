package pages_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// registry runs discovery-srv and the console, with something to look at.
func registry(t *testing.T) (p *hosttest.Platform, r discoverypb.RegistryService, base string) {
	t.Helper()
	p = hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service(), console.Service())
	r = discoverypb.NewRegistryService("discovery-srv", p.Client)
	base = "http://" + p.Address("console")
	for i := range 120 {
		register(t, r, fmt.Sprintf("fleet-%03d", i), &discoverypb.Instance{Id: "only", Address: "10.2.0.1:80"})
	}
	for i, version := range []string{"1.4.0", "1.4.0", "1.5.0-rc.1", "1.4.0"} {
		register(t, r, "checkout", &discoverypb.Instance{
			Id: fmt.Sprint("checkout-", i), Address: fmt.Sprintf("10.1.%d.7:8080", i), Version: version, Zone: []string{"east", "west"}[i%2],
			Metadata: map[string]string{"commit": "5f3c2e1", "protocol": "grpc"}, ServiceMetadata: map[string]string{"owner": "payments"},
			Endpoints: []*discoverypb.Endpoint{{
				Name: "Checkout.Pay", Request: &discoverypb.Value{Name: "PayRequest", Type: "PayRequest", Values: []*discoverypb.Value{{Name: "order_id", Type: "string"}, {Name: "amount", Type: "int64"}}},
				Response: &discoverypb.Value{Name: "PayResponse", Type: "PayResponse", Values: []*discoverypb.Value{{Name: "receipt", Type: "string"}}},
			}},
		})
	}
	drain(t, r, "checkout", "checkout-1", "a new kernel")
	for _, name := range hostile() {
		register(t, r, name, &discoverypb.Instance{
			Id: name, Address: "[2001:db8::1]:65535", Version: script[:64], Zone: strings.Repeat("z", 64), StatusReason: rtl + script,
			InstanceStatus: discoverypb.Status_STATUS_OUT_OF_SERVICE, Metadata: map[string]string{script: rtl + "\x00\r\n", strings.Repeat("m", 4000): strings.Repeat("v", 4000)},
			Endpoints: []*discoverypb.Endpoint{{Name: script, Request: &discoverypb.Value{Name: strings.Repeat("N", 2000), Type: rtl}, Metadata: map[string]string{script: script}}},
		})
	}
	found(t, base, 2)
	return p, r, base
}

func hostile() []string {
	return []string{script, rtl, strings.Repeat("k\U0001F600", 40), `"quoted' ] \`, strings.Repeat("w", 200)}
}

func register(t *testing.T, r discoverypb.RegistryService, service string, i *discoverypb.Instance) {
	t.Helper()
	if _, err := r.Register(t.Context(), &discoverypb.RegisterRequest{Service: service, Instance: i}); err != nil {
		t.Fatalf("register %q: %v", service, err)
	}
}

func drain(t *testing.T, r discoverypb.RegistryService, service, id, why string) {
	t.Helper()
	req := &discoverypb.SetStatusRequest{Service: service, InstanceId: id, Status: discoverypb.Status_STATUS_DRAINING, Reason: why}
	if _, err := r.SetStatus(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

func discoveryPage(view, service, id string) string {
	return "discovery/" + view + "?" + url.Values{"service": {service}, "instance": {id}}.Encode()
}

// TestDiscovery looks at every page of discovery, through the console and alone.
func TestDiscovery(t *testing.T) {
	b, axe := browser(t), axeSource(t)
	p, _, base := registry(t)
	all := []string{
		"discovery/", "discovery/?prefix=none", "discovery/?prefix=fleet-", "discovery/service?service=checkout&zone=east&status=up", "discovery/service?service=checkout&version=none", "discovery/docs",
	}
	for _, one := range append([]string{"checkout"}, hostile()...) {
		id := one
		if one == "checkout" {
			id = "checkout-1"
		}
		all = append(all, "discovery/service?"+url.Values{"service": {one}}.Encode(), "discovery/timeline?"+url.Values{"service": {one}}.Encode(),
			discoveryPage("instance", one, id), discoveryPage("deregister", one, id))
	}
	everyLook(t, b, axe, base, all)
	for i := range all {
		all[i] = strings.TrimPrefix(all[i], "discovery/")
	}
	t.Run("alone", func(t *testing.T) { everyLook(t, b, axe, "http://"+p.Address("discovery-srv"), all[:8]) })
}

// TestDiscoveryFollows: an operator drains an instance at a page, and others see it, whose
// keyboard stays where it is.
func TestDiscoveryFollows(t *testing.T) {
	b := browser(t)
	_, r, base := registry(t)
	list := b.open(t, wide(), base+"/discovery/service?service=checkout")
	first := b.open(t, wide(), base+"/discovery/?prefix=checkout")
	quoted := b.open(t, wide(), base+"/"+discoveryPage("service", hostile()[3], ""))
	for _, tb := range []*tab{list, first, quoted} {
		tb.await(`htmx.version && !document.body.classList.contains("stale")`, patience)
		tb.eval(`window.since = "the first load"; window.at = document.querySelector("td a"); window.at.focus()`)
	}
	tb := b.open(t, wide(), base+"/"+discoveryPage("instance", "checkout", "checkout-0"))
	tb.do(chromedp.SetValue(`input[name="reason"]`, "a leak"))
	tb.press()
	tb.await(`document.querySelector(".pairs .state.waiting + .why")?.innerText === "by an operator: a leak"`, patience)
	list.await(`document.body.innerText.includes("by an operator: a leak")`, patience)
	first.await(`[...document.querySelectorAll("td.num")].map(td => td.innerText).slice(0, 3).join() === "2,2,0"`, patience)
	register(t, r, "checkout", &discoverypb.Instance{Id: "a-first", Address: "10.3.0.1:80"})
	register(t, r, hostile()[3], &discoverypb.Instance{Id: `!"first`, Address: "10.3.0.1:80"})
	list.await(`document.querySelector("td a").innerText === "a-first"`, patience)
	quoted.await("document.querySelector('td a').innerText === '!\"first'", patience)
	for _, tb := range []*tab{list, first, quoted} {
		if !is[bool](tb, `window.since === "the first load" && document.activeElement === window.at && window.at.isConnected`) {
			t.Errorf("%s: the page was loaded again, or the focus is gone", is[string](tb, `location.href`))
		}
	}

	ask := b.open(t, wide(), base+"/"+discoveryPage("instance", "checkout", "checkout-0"))
	ask.eval(`document.querySelector("a.bad").click()`)
	ask.await(`document.querySelector("button.danger")`, patience)
	ask.press()
	ask.await(`document.querySelector("td .badge")?.innerText === "deregistered"`, patience)
	tb.await(`document.body.innerText.includes("It is not here")`, patience)
}
