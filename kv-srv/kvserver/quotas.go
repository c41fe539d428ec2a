package kvserver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/setting"
	"github.com/micro/platform/kv-srv/internal/store"
)

// others stands for the namespaces that are not named.
const others = "*"

// readQuotas reads billing=keys:100000/bytes:1GiB,*=keys:1000 .
func readQuotas(s string) (map[string]store.Quota, error) {
	all, seen := map[string]store.Quota{}, map[string]bool{}
	if s == "" {
		return all, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form billing=keys:100000/bytes:1GiB", part)
		}
		check := checkName
		if name == others {
			check = once
		}
		if err := check(name, seen); err != nil {
			return nil, err
		}
		q, err := readQuota(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = q
	}
	return all, nil
}

func readQuota(s string) (store.Quota, error) {
	var q store.Quota
	for part := range strings.SplitSeq(s, "/") {
		unit, value, _ := strings.Cut(part, ":")
		var n int64
		var err error
		switch unit {
		case "keys":
			n, err = strconv.ParseInt(value, 10, 64)
			q.Keys = n
		case "bytes":
			n, err = setting.ParseBytes(value)
			q.Bytes = n
		default:
			err = errors.New("unknown")
		}
		if err != nil || n < 1 {
			return q, fmt.Errorf("%q is neither keys:100000 nor bytes:1GiB", part)
		}
	}
	return q, nil
}

// limit gives each place the quotas of its namespaces, which its backend must keep.
func limit(plan []place, quotas map[string]store.Quota, ringed bool) error {
	home := map[string]int{} // 0, that of KV_STORE, for what is not there
	for i, p := range plan {
		for _, namespace := range p.namespaces {
			home[namespace] = i
		}
	}
	each := make([]map[string]store.Quota, len(plan))
	for _, name := range slices.Sorted(maps.Keys(quotas)) {
		i := home[name]
		if ringed && plan[i].url.Scheme == "memory" {
			return fmt.Errorf("%s: memory: of several processes keeps no quotas (of one, and disk:, do)", name)
		}
		if b, ok := backendOf(plan[i].url.Scheme); ok && !b.counts {
			return fmt.Errorf("%s: %s keeps no quotas (%s do)", name, plan[i].url.Scheme, names(func(b backend) bool { return b.counts }))
		}
		if each[i] == nil {
			each[i] = map[string]store.Quota{}
			plan[i].quotas = of(each[i])
		}
		each[i][name] = quotas[name]
	}
	return nil
}

func of(quotas map[string]store.Quota) store.Quotas {
	return func(namespace string) store.Quota {
		if q, ok := quotas[namespace]; ok {
			return q
		}
		return quotas[others]
	}
}
