package kvserver_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func TestServes(t *testing.T) {
	p := hosttest.Run(t, map[string]string{"KV_STORE": "memory:?size=64MiB&evict=true"}, kvserver.Service())
	kv := kvpb.NewKVService("kv-srv", p.Client)
	if _, err := kv.Put(t.Context(), &kvpb.PutRequest{Key: "k", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, p, "/readyz"); !strings.Contains(got, `"ready"`) {
		t.Errorf("/readyz: %s", got)
	}
	metrics := get(t, p, "/metrics")
	for _, want := range []string{
		"kv_items 1", "kv_namespaces 1", "kv_bytes ", "kv_bytes_max 6.7108864e+07", "kv_watchers 0",
		"kv_evicted_total 0", "kv_expired_total 0", "kv_lagging_total 0",
	} {
		if !strings.Contains(metrics, "\n"+strings.Replace(want, " ", `{namespaces="*"} `, 1)) {
			t.Errorf("/metrics has no %q:\n%s", want, metrics)
		}
	}
}

// TestKeeps: what was written is there when the service starts again.
func TestKeeps(t *testing.T) {
	env := map[string]string{"KV_STORE": "disk:", "PLATFORM_DATA": t.TempDir()}
	for _, again := range []bool{false, true} {
		t.Run(strconv.FormatBool(again), func(t *testing.T) {
			p := hosttest.Run(t, env, kvserver.Service())
			kv := kvpb.NewKVService("kv-srv", p.Client)
			if !again {
				if _, err := kv.Put(t.Context(), &kvpb.PutRequest{Key: "k", Value: []byte("v")}); err != nil {
					t.Fatal(err)
				}
			}
			if rsp, err := kv.Get(t.Context(), &kvpb.GetRequest{Key: "k"}); err != nil || string(rsp.GetItem().GetValue()) != "v" {
				t.Errorf("got %v, %v", rsp, err)
			}
			metrics := get(t, p, "/metrics")
			for _, want := range []string{"kv_items 1", "kv_namespaces 1", "kv_bytes ", "kv_bytes_free ", "kv_watchers 0", "kv_expired_total 0", "kv_lagging_total 0"} {
				if !strings.Contains(metrics, "\n"+strings.Replace(want, " ", `{namespaces="*"} `, 1)) {
					t.Errorf("/metrics has no %q:\n%s", want, metrics)
				}
			}
		})
	}
}

func get(t *testing.T, p *hosttest.Platform, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address("kv-srv")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestWrongSettings(t *testing.T) {
	for value, want := range map[string]string{
		"mongo://user:secret@host":      `KV_STORE: no backend for scheme "mongo" (have consul, disk, etcd, memcached, memory, redis)`,
		"disk:/var/lib/kv":              `KV_STORE: disk: takes nothing: its folder is kv-srv/disk below PLATFORM_DATA`,
		"disk:?sync=false":              `KV_STORE: disk: takes nothing: its folder is kv-srv/disk below PLATFORM_DATA`,
		"256MiB":                        `KV_STORE: not a URL such as memory: or redis://host:6379/0`,
		"memory://host":                 `KV_STORE: memory: takes parameters alone, such as memory:?size=256MiB`,
		"memory:256MiB":                 `KV_STORE: memory: takes parameters alone, such as memory:?size=256MiB`,
		"memory:?sise=1GiB":             `KV_STORE: memory: no parameter "sise" (have evict, replicas, size)`,
		"memory:?size=1GB":              `KV_STORE: memory: size=1GB is no size of 16MiB or more`,
		"memory:?size=15MiB":            `KV_STORE: memory: size=15MiB is no size of 16MiB or more`,
		"memory:?size=16MiB&size=1GiB":  `KV_STORE: memory: size=16MiB,1GiB is no size of 16MiB or more`,
		"memory:?evict=yes":             `KV_STORE: memory: evict=yes is neither true nor false`,
		"memory:?evict;size":            `KV_STORE: memory: parameters are not of the form size=256MiB&evict=true`,
		"etcd://":                       `KV_STORE: etcd: "" is no host:port, want etcd://a:2379,b:2379`,
		"etcd://a,b:2379":               `KV_STORE: etcd: "a" is no host:port, want etcd://a:2379,b:2379`,
		"etcd://user@a:2379":            `KV_STORE: etcd: want user:password@ before the hosts, or neither`,
		"etcd://u:secret@a:2379?colour": `KV_STORE: etcd: no parameter "colour" (have ca, cert, key, tls)`,
		"etcd://a:2379?tls=false":       `KV_STORE: etcd: tls=false, want true`,
		"etcd://a:2379?cert=c.pem":      `KV_STORE: etcd: cert and key go together`,
		"etcd://a:2379?tls;ca":          `KV_STORE: etcd: parameters are not of the form tls=true&ca=ca.pem`,
		"redis://":                      `KV_STORE: redis: "" is no host:port, want redis://host:6379/0`,
		"redis:6379":                    `KV_STORE: redis: "" is no host:port, want redis://host:6379/0`,
		"redis://host":                  `KV_STORE: redis: "host" is no host:port, want redis://host:6379/0`,
		"redis://u@host:6379":           `KV_STORE: redis: want user:password@ or :password@ before the hosts, or neither`,
		"redis://:secret@a:1,b:2":       `KV_STORE: redis: 2 hosts are for redis+cluster or redis+sentinel, want redis://host:6379/0`,
		"redis://host:6379/zero":        `KV_STORE: redis: "zero" is no number of a database, want redis://host:6379/0`,
		"redis://u:secret@a:1?colour":   `KV_STORE: redis: no parameter "colour" (have ca, cert, key, tls)`,
		"redis://a:1?tls;ca":            `KV_STORE: redis: parameters are not of the form tls=true&ca=ca.pem`,
		"rediss://a:1?cert=c.pem":       `KV_STORE: rediss: cert and key go together`,
		"rediss://a:1?ca=no.pem":        `KV_STORE: rediss: ca: open no.pem: no such file or directory`,
		"redis+sentinel://a:26379":      `KV_STORE: redis+sentinel: "" is no name of a master, want redis+sentinel://a:26379,b:26379/mymaster?db=0`,
		"redis+sentinel://a:1/m?db=-1":  `KV_STORE: redis+sentinel: "-1" is no number of a database, want redis+sentinel://a:26379,b:26379/mymaster?db=0`,
		"redis+cluster://a,b:6379":      `KV_STORE: redis+cluster: "a" is no host:port, want redis+cluster://a:6379,b:6379`,
		"redis+cluster://a:6379/1":      `KV_STORE: redis+cluster: a cluster has no /1, want redis+cluster://a:6379,b:6379`,
		"etcd://a:2379?ca=no.pem":       `KV_STORE: etcd: ca: open no.pem: no such file or directory`,
		"consul://":                     `KV_STORE: consul: "" is no host:port, want consul://:token@host:8500`,
		"consul://a:8500,b:8500":        `KV_STORE: consul: takes one host, an agent that knows the others: consul://:token@host:8500`,
		"consul://secret@a:8500":        `KV_STORE: consul: want :token@ before the host, or nothing`,
		"consul://:secret@a:8500?dc=b":  `KV_STORE: consul: no parameter "dc" (have ca, cert, key, tls)`,
		"memcached://":                  `KV_STORE: memcached: "" is no host:port, want memcached://a:11211,b:11211`,
		"memcached://a,b:11211":         `KV_STORE: memcached: "a" is no host:port, want memcached://a:11211,b:11211`,
		"memcached://u:secret@a:11211":  `KV_STORE: memcached: takes nothing but hosts: memcached://a:11211,b:11211`,
		"memcached://a:11211/kv":        `KV_STORE: memcached: takes nothing but hosts: memcached://a:11211,b:11211`,
		"memcached://a:11211?tls=true":  `KV_STORE: memcached: takes nothing but hosts: memcached://a:11211,b:11211`,
	} {
		wantWrong(t, map[string]string{"KV_STORE": value}, want)
	}
}

func wantWrong(t *testing.T, env map[string]string, want string) {
	t.Helper()
	data := t.TempDir()
	err := host.Run(t.Context(), host.Process{
		Getenv: func(name string) string {
			return map[string]string{"KV_ADDRESS": "127.0.0.1:0", "PLATFORM_REGISTRY": "memory:", "PLATFORM_DATA": data}[name] + env[name]
		},
		Stderr: io.Discard,
	}, kvserver.Service())
	var wrong *host.ConfigError
	if !errors.As(err, &wrong) || err.Error() != want {
		t.Errorf("%v: got %v, want a ConfigError: %s", env, err, want)
	}
}
