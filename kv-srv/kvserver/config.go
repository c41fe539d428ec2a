package kvserver

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/internal/store/memory"
)

const (
	storeVar  = "KV_STORE"
	storesVar = "KV_STORES"
	quotasVar = "KV_QUOTAS"

	respVar     = "KV_RESP"
	passwordVar = "KV_RESP_PASSWORD"
)

func settings() []setting.Setting {
	return append([]setting.Setting{{
		Name: storeVar, Default: "memory:",
		Help: "where items are: memory: (this process alone, lost with it), or memory:?size=256MiB&evict=true, " +
			"where size bounds it and evict=true gives up what was used least recently instead of refusing writes, " +
			"or with KV_PEERS of several processes, memory:?replicas=2, where each item is on two of them; " +
			"disk: (a folder of its own below PLATFORM_DATA, kept); " +
			"etcd://user:password@host:2379,host:2379/prefix?ca=file&cert=file&key=file, where only the hosts must be; " +
			"redis://user:password@host:6379/0, redis+sentinel://host:26379,host:26379/master?db=0 or " +
			"redis+cluster://host:6379,host:6379, and the same with rediss for TLS, with ca, cert and key; " +
			"consul://:token@host:8500/prefix?ca=file&cert=file&key=file, where only the host must be; " +
			"memcached://host:11211,host:11211 (a cache that forgets, and cannot list or watch)",
	}, {
		Name: storesVar,
		Help: "namespaces that are somewhere else: billing=disk:,sessions=memory:?evict=true",
	}, {
		Name: quotasVar,
		Help: "what a namespace may hold, * for all others of KV_STORE: billing=keys:100000/bytes:1GiB,*=bytes:64MiB; " +
			"memory: in one process and disk: keep quotas",
	}, {
		Name: respVar,
		Help: "host:port where clients of Redis are served, such as 127.0.0.1:6379: strings and numbers, a namespace for each database; " +
			"by TLS where PLATFORM_TLS_CERT is set; empty: nowhere",
	}, {
		Name: passwordVar,
		Help: "what clients of Redis must send with AUTH, for the user default; empty: nothing",
	}}, ringSettings()...)
}

// minSize has room for the largest items there may be, and for their history.
const minSize = 16 << 20

// maxReplicas is far more than a ring needs.
const maxReplicas = 5

// memoryOptions reads memory:?size=256MiB&evict=true&replicas=2, where replicas is 0 if it
// is not there.
func memoryOptions(u *url.URL) (o memory.Options, replicas int, err error) {
	if u.Host != "" || u.Opaque != "" || u.Path != "" || u.User != nil {
		return o, 0, errors.New("memory: takes parameters alone, such as memory:?size=256MiB")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, 0, errors.New("memory: parameters are not of the form size=256MiB&evict=true")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := strings.Join(query[name], ",")
		switch name {
		case "size":
			n, err := setting.ParseBytes(value)
			if err != nil || n < minSize {
				return o, 0, fmt.Errorf("memory: size=%s is no size of 16MiB or more", value)
			}
			o.MaxBytes = n
		case "evict":
			if value != "true" && value != "false" {
				return o, 0, fmt.Errorf("memory: evict=%s is neither true nor false", value)
			}
			o.Evict = value == "true"
		case "replicas":
			if replicas, err = strconv.Atoi(value); err != nil || replicas < 1 || replicas > maxReplicas {
				return o, 0, fmt.Errorf("memory: replicas=%s is no number from 1 to %d", value, maxReplicas)
			}
		default:
			return o, 0, fmt.Errorf("memory: no parameter %q (have evict, replicas, size)", name)
		}
	}
	return o, replicas, nil
}

// diskOptions refuses all but disk: itself. Its folder is below PLATFORM_DATA, and each
// write is synced.
func diskOptions(u *url.URL) error {
	if u.Host != "" || u.Opaque != "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
		return errors.New("disk: takes nothing: its folder is kv-srv/disk below PLATFORM_DATA")
	}
	return nil
}
