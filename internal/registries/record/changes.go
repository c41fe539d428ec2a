package record

import (
	"reflect"

	"go-micro.dev/v5/registry"
)

// What a watcher tells.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
)

// Changes returns what leads from one merged list to another, a result for each node.
func Changes(before, after []*registry.Service) []*registry.Result {
	old, now := nodes(before), nodes(after)
	var all []*registry.Result
	for k, s := range old {
		if _, ok := now[k]; !ok {
			all = append(all, &registry.Result{Action: Delete, Service: s})
		}
	}
	for k, s := range now {
		was, ok := old[k]
		switch {
		case !ok:
			all = append(all, &registry.Result{Action: Create, Service: s})
		case !reflect.DeepEqual(was, s):
			all = append(all, &registry.Result{Action: Update, Service: s})
		}
	}
	return all
}

type node struct{ name, version, id string }

func nodes(all []*registry.Service) map[node]*registry.Service {
	m := map[node]*registry.Service{}
	for _, s := range all {
		for _, n := range s.Nodes {
			m[node{s.Name, s.Version, n.Id}] = Of(s, n)
		}
	}
	return m
}
