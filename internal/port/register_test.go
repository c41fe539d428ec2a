package port_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"go-micro.dev/v5/broker"
	microclient "go-micro.dev/v5/client"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

func TestAdvertise(t *testing.T) {
	for advertise, want := range map[string]string{
		"":                 "127.0.0.1:port",
		"10.1.2.3":         "10.1.2.3:port",
		"10.1.2.3:80":      "10.1.2.3:80",
		"kv.example.com":   "kv.example.com:port",
		"kv.example.com:1": "kv.example.com:1",
		"fd00::1":          "[fd00::1]:port",
		"[fd00::1]":        "[fd00::1]:port",
		"[fd00::1]:80":     "[fd00::1]:80",
	} {
		t.Run(advertise, func(t *testing.T) {
			c := config()
			c.Advertise = advertise
			s := serve(t, c, with(&echo.Handler{}))
			all, err := c.Registry.GetService("echo-srv")
			if err != nil || len(all) != 1 || len(all[0].Nodes) != 1 {
				t.Fatalf("got %v, %v, want one node", all, err)
			}
			_, own, err := net.SplitHostPort(s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			got := all[0].Nodes[0].Address
			if host, port, err := net.SplitHostPort(got); err == nil && port == own {
				got = net.JoinHostPort(host, "port")
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestRename: what an application changes before the start counts.
func TestRename(t *testing.T) {
	c := config()
	s := port.New(context.WithoutCancel(t.Context()), c)
	if err := errors.Join(s.Init(server.Name("other-srv"), server.Version("2")), with(&echo.Handler{})(s), s.Start()); err != nil {
		t.Fatal(err)
	}
	all, err := c.Registry.GetService("other-srv")
	if err != nil || len(all) != 1 || all[0].Version != "2" {
		t.Errorf("got %v, %v", all, err)
	}
	out := new(echopb.CallResponse)
	if err := dial(t, s.Addr().String()).Invoke(limited(t), "/other-srv.Echo/Call", &echopb.CallRequest{Text: "hi"}, out); err != nil || out.GetText() != "hi" {
		t.Errorf("got %v, %v", out, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if got, err := c.Registry.GetService("other-srv"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after the end: got %v, %v", got, err)
	}
}

func TestSubscribe(t *testing.T) {
	c := config()
	c.Broker = broker.NewMemoryBroker()
	type event struct{ text, tenant string }
	events := make(chan event, 1)
	s := port.New(context.WithoutCancel(t.Context()), c)
	sub := s.NewSubscriber("echoed", func(ctx context.Context, msg *echopb.CallRequest) error {
		tenant, _ := metadata.Get(ctx, "X-Tenant")
		events <- event{msg.GetText(), tenant}
		return nil
	})
	if err := errors.Join(s.Subscribe(sub), s.Start()); err != nil {
		t.Fatal(err)
	}
	publisher := microclient.NewClient(microclient.Broker(c.Broker), microclient.ContentType("application/protobuf"))
	publish := func() {
		t.Helper()
		ctx := metadata.NewContext(t.Context(), metadata.Metadata{"X-Tenant": "a"})
		if err := publisher.Publish(ctx, publisher.NewMessage("echoed", &echopb.CallRequest{Text: "hi"})); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	if got := receive(t, events, "the event"); got != (event{"hi", "a"}) {
		t.Errorf("got %+v", got)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := c.Broker.Connect(); err != nil { // the server has disconnected it
		t.Fatal(err)
	}
	for ctx := limited(t); ; { // the broker forgets a subscriber by and by
		publish()
		select {
		case got := <-events:
			if ctx.Err() != nil {
				t.Fatalf("got %+v after the end", got)
			}
		default:
			return
		}
	}
}
