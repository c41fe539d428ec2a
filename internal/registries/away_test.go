package registries_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"

	"github.com/micro/platform/internal/registries"
)

// TestAway: servers that refuse, and some that never answer, end nothing.
func TestAway(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := refusing.Close(); err != nil {
		t.Fatal(err)
	}
	leaks := goleak.IgnoreCurrent()
	t.Run("all", func(t *testing.T) { awayAt(t, refusing.Addr().String(), silent.Addr().String()) })
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
}

func awayAt(t *testing.T, refusing, silent string) {
	for what, address := range map[string]string{"refuses": refusing, "silent": silent} {
		for scheme, url := range map[string]string{
			"etcd":           "etcd://" + address,
			"etcd, password": "etcd://u:s3cret@" + address,
			"consul":         "consul://:s3cret@" + address,
			"nats":           "nats://u:s3cret@" + address,
		} {
			t.Run(scheme+" "+what, func(t *testing.T) {
				t.Parallel() // they wait
				away(t, url, address)
			})
		}
	}
}

func away(t *testing.T, url, address string) {
	var log bytes.Buffer
	c, err := read(map[string]string{"PLATFORM_REGISTRY": url})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := registries.Open(t.Context(), c, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := opened.(*registries.Remote)
	s := full("away", "1", "127.0.0.1:1")
	if err := r.Ready("away"); err != nil {
		t.Errorf("ready before: %v", err)
	}
	for range 2 {
		begun := time.Now()
		if err := r.Register(s, registry.RegisterTTL(time.Minute)); err != nil {
			t.Errorf("register: %v", err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("register took %v", took)
		}
	}
	said := []error{r.Ready("away")}
	_, err = r.GetService("away")
	said = append(said, err)
	_, err = r.ListServices()
	said = append(said, err)
	_, err = r.Watch(registry.WatchService("away"))
	said = append(said, err)
	for i, err := range said {
		if err == nil || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: got %v, want an error with %s and no password", i, err, address)
		}
	}
	if err := r.Ready("other"); err != nil {
		t.Errorf("another service: %v", err)
	}
	if err := r.Deregister(s); err != nil {
		t.Errorf("deregister: %v", err)
	}
	if err := io.Closer(r).Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if got := log.String(); strings.Count(got, "the registry is away") != 1 || strings.Contains(got, "s3cret") {
		t.Errorf("logged %s, want one line that the registry is away, and no password", got)
	}
}
