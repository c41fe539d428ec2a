package kvserver_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// TestStores: namespaces are where KV_STORES says, and hold what KV_QUOTAS allows.
func TestStores(t *testing.T) {
	p := hosttest.Run(t, map[string]string{
		"KV_STORE":      "memory:",
		"KV_STORES":     "b=disk:,c=memory:?size=16MiB,d=memory:?size=16MiB,e=memory:",
		"KV_QUOTAS":     "*=keys:1,c=keys:2/bytes:1KiB,b=bytes:2",
		"PLATFORM_DATA": t.TempDir(),
	}, kvserver.Service())
	for namespace, want := range map[string]string{
		"a": "kv.quota after 1", "b": "kv.quota after 2", "c": "kv.quota after 2", "d": "", "e": "kv.quota after 1",
	} {
		got := ""
		for i, key := range []string{"k", "l", "m"} {
			_, err := kvclient.New(p.Client, kvclient.WithNamespace(namespace)).Put(t.Context(), key, nil)
			if e := (*kvclient.Error)(nil); errors.As(err, &e) {
				got = e.Reason + " after " + string(rune('0'+i))
				break
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", namespace, got, want)
		}
	}
	metrics := get(t, p, "/metrics")
	for _, want := range []string{`kv_items{namespaces="*"} 2`, `kv_items{namespaces="c,d"} 5`, `kv_items{namespaces="b"} 2`} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
}

func TestWrongPlans(t *testing.T) {
	for value, want := range map[string]string{
		"billing":                 `want namespace=URL,namespace=URL`,
		"disk:":                   `want namespace=URL,namespace=URL`,
		"billing=":                `billing: not a URL such as memory: or redis://host:6379/0`,
		"Billing=disk:":           `"Billing" is no namespace: want 1 to 63 of a-z, 0-9 and -`,
		"=disk:":                  `"" is no namespace: want 1 to 63 of a-z, 0-9 and -`,
		"a=disk:,a=memory:":       `a is there twice`,
		"a=disk:,b=mongo://u:s@h": `no backend for scheme "mongo" (have consul, disk, etcd, memcached, memory, redis)`,
		"a=disk:,b=etcd://d,c:1":  `etcd: "d" is no host:port, want etcd://a:2379,b:2379`,
		"a=memory:?size=1KiB":     `memory: size=1KiB is no size of 16MiB or more`,
		"a=%zz://secret":          `a: not a URL such as memory: or redis://host:6379/0`,
	} {
		wantWrong(t, map[string]string{"KV_STORES": value}, "KV_STORES: "+want)
	}
	for value, want := range map[string]string{
		"billing":               `"billing" is not of the form billing=keys:100000/bytes:1GiB`,
		"billing=":              `billing: "" is neither keys:100000 nor bytes:1GiB`,
		"billing=1000":          `billing: "1000" is neither keys:100000 nor bytes:1GiB`,
		"billing=keys:0":        `billing: "keys:0" is neither keys:100000 nor bytes:1GiB`,
		"billing=keys:-1":       `billing: "keys:-1" is neither keys:100000 nor bytes:1GiB`,
		"billing=bytes:1GB":     `billing: "bytes:1GB" is neither keys:100000 nor bytes:1GiB`,
		"a=keys:1,a=keys:2":     `a is there twice`,
		"*=keys:1,*=keys:2":     `* is there twice`,
		"a_b=keys:1":            `"a_b" is no namespace: want 1 to 63 of a-z, 0-9 and -`,
		"far=keys:1,*=keys:100": `far: etcd keeps no quotas (disk, memory do)`,
	} {
		wantWrong(t, map[string]string{"KV_QUOTAS": value, "KV_STORES": "far=etcd://127.0.0.1:1"}, "KV_QUOTAS: "+want)
	}
}
