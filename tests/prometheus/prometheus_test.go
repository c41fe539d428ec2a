// Package prometheus_test has Prometheus itself find targets by discovery-srv.
package prometheus_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	sdhttp "github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"

	"github.com/micro/platform/discovery-srv/discoveryserver"
	"github.com/micro/platform/internal/host/hosttest"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const patience = 30 * time.Second

// load reads prometheus.yml, for a service at an address.
func load(t *testing.T, address string) *config.ScrapeConfig {
	t.Helper()
	b, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "127.0.0.1:8104", address)
	text = strings.ReplaceAll(text, "refresh_interval: 10s", "refresh_interval: 100ms")
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadFile(file, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.GetScrapeConfigs()
	if err != nil || len(all) != 1 {
		t.Fatalf("got %d jobs, error %v", len(all), err)
	}
	if _, ok := all[0].ServiceDiscoveryConfigs[0].(*sdhttp.SDConfig); !ok {
		t.Fatalf("got discovery by %T", all[0].ServiceDiscoveryConfigs[0])
	}
	return all[0]
}

// discover runs Prometheus' discovery until the test ends.
func discover(t *testing.T, c *config.ScrapeConfig) <-chan map[string][]*targetgroup.Group {
	t.Helper()
	metrics := prometheus.NewRegistry()
	registered, err := discovery.CreateAndRegisterSDMetrics(metrics)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	m := discovery.NewManager(ctx, log, metrics, registered, discovery.Updatert(50*time.Millisecond))
	ended := make(chan error, 1)
	go func() { ended <- m.Run() }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("discovery: %v", err)
		}
	})
	if err := m.ApplyConfig(map[string]discovery.Configs{c.JobName: c.ServiceDiscoveryConfigs}); err != nil {
		t.Fatal(err)
	}
	return m.SyncCh()
}

// targets are what Prometheus makes of groups by the rules of its configuration: where it
// scrapes, and under which labels.
func targets(t *testing.T, c *config.ScrapeConfig, groups []*targetgroup.Group) []string {
	t.Helper()
	all := []string{}
	for _, g := range groups {
		found, errs := scrape.TargetsFromGroup(g, c, nil, labels.NewBuilder(labels.EmptyLabels()))
		for _, err := range errs {
			t.Error(err)
		}
		for _, target := range found {
			if own := target.Labels(labels.NewBuilder(labels.EmptyLabels())); own.Len() > 0 {
				all = append(all, target.URL().String()+" "+own.String())
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestTargets(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"DISCOVERY_REGISTRY": "memory:"}, discoveryserver.Service())
	own := p.Address("discovery-srv")
	registry := discoverypb.NewRegistryService("discovery-srv", p.Client)
	register := func(service string, i *discoverypb.Instance) {
		t.Helper()
		if _, err := registry.Register(t.Context(), &discoverypb.RegisterRequest{Service: service, Instance: i}); err != nil {
			t.Fatal(err)
		}
	}
	conf := load(t, own)
	updates := discover(t, conf)
	await := func(want ...string) {
		t.Helper()
		var got []string
		for end := time.After(patience); ; {
			select {
			case u := <-updates:
				if got = targets(t, conf, u[conf.JobName]); cmp.Equal(want, got) {
					return
				}
			case <-end:
				t.Fatalf("(-want +got):\n%s", cmp.Diff(want, got))
			}
		}
	}
	const (
		a = `http://192.0.2.1:80/own {instance="a", job="platform", service="greeter", status="up", zone="z1"}`
		b = `http://[2001:db8::1]:81/metrics {instance="b", job="platform", service="greeter", status="up"}`
	)
	register("greeter", &discoverypb.Instance{Id: "a", Address: "192.0.2.1:80", Zone: "z1", Metadata: map[string]string{"metrics-path": "/own"}})
	register("greeter", &discoverypb.Instance{Id: "b", Address: "[2001:db8::1]:81"})
	register("silent", &discoverypb.Instance{Id: "c", Address: "192.0.2.3:80", Metadata: map[string]string{"metrics": "false"}})
	await(a, b)

	status := &discoverypb.SetStatusRequest{Service: "greeter", InstanceId: "a", Status: discoverypb.Status_STATUS_DRAINING}
	if _, err := registry.SetStatus(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	await(strings.Replace(a, `"up"`, `"draining"`, 1), b)

	status.Status = discoverypb.Status_STATUS_OUT_OF_SERVICE
	if _, err := registry.SetStatus(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Deregister(t.Context(), &discoverypb.DeregisterRequest{Service: "greeter", InstanceId: "b"}); err != nil {
		t.Fatal(err)
	}
	register("discovery-srv", &discoverypb.Instance{Id: "d", Address: own})
	last := "http://" + own + `/metrics {instance="d", job="platform", service="discovery-srv", status="up"}`
	await(last)

	url, _, _ := strings.Cut(last, " ")
	rsp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	if text, err := io.ReadAll(rsp.Body); err != nil || !strings.Contains(string(text), "\ndiscovery_instances 3\n") {
		t.Errorf("got %s, error %v", text, err)
	}
}
