// Package view puts together what a watch of Registry tells. It does no I/O.
package view

import (
	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// View is what one follower knows. It belongs to one goroutine.
//
// A snapshot replaces what was known once it is whole: it begins with a message of its own,
// also where there is nothing.
//
// While the node that is followed is warming, what it does not know is kept: it may have
// been started empty a moment ago.
type View struct {
	// Put is called with what is new or has changed, Remove with what is gone.
	Put    func(catalog.Name, *discoverypb.Instance)
	Remove func(catalog.ID, *discoverypb.Removed)

	known    map[catalog.Name]map[string]*discoverypb.Instance
	unsure   map[catalog.ID]struct{} // known, and not to the node that warms
	snapshot map[catalog.Name]map[string]*discoverypb.Instance
}

// Apply takes a message of a watch, in the order in which they came.
func (v *View) Apply(m *discoverypb.WatchResponse) {
	switch m.GetType() {
	case discoverypb.WatchResponse_TYPE_SNAPSHOT:
		v.collect(m)
	case discoverypb.WatchResponse_TYPE_SYNCED:
		v.replace(m.GetState().GetWarming())
	default:
		v.change(m)
	}
	if !m.GetState().GetWarming() && v.snapshot == nil {
		v.settle()
	}
}

// Begin comes before the first message of each watch: a snapshot that was cut off is void.
func (v *View) Begin() { v.snapshot = nil }

func (v *View) collect(m *discoverypb.WatchResponse) {
	if v.snapshot == nil {
		v.snapshot = map[catalog.Name]map[string]*discoverypb.Instance{}
	}
	for _, c := range m.GetChanges() {
		n := catalog.Name{Namespace: c.GetNamespace(), Service: c.GetService()}
		for _, i := range c.GetInstances() {
			set(v.snapshot, n, i)
		}
	}
}

func set(all map[catalog.Name]map[string]*discoverypb.Instance, n catalog.Name, i *discoverypb.Instance) {
	if all[n] == nil {
		all[n] = map[string]*discoverypb.Instance{}
	}
	all[n][i.GetId()] = i
}

// replace takes a snapshot, if there is one, for all there is.
func (v *View) replace(warming bool) {
	if v.snapshot == nil {
		return
	}
	v.unsure = map[catalog.ID]struct{}{}
	for n, some := range v.known {
		for id := range some {
			if v.snapshot[n][id] == nil {
				v.unsure[catalog.ID{Name: n, Instance: id}] = struct{}{}
			}
		}
	}
	for n, some := range v.snapshot {
		for _, i := range some {
			v.put(n, i)
		}
	}
	v.snapshot = nil
	if !warming {
		v.settle()
	}
}

// settle gives up what nobody has spoken of.
func (v *View) settle() {
	for id := range v.unsure {
		v.remove(id, &discoverypb.Removed{Id: id.Instance, Type: discoverypb.Event_TYPE_GONE, Reason: "unknown to the node that is followed"})
	}
	v.unsure = nil
}

func (v *View) change(m *discoverypb.WatchResponse) {
	for _, c := range m.GetChanges() {
		n := catalog.Name{Namespace: c.GetNamespace(), Service: c.GetService()}
		for _, r := range c.GetRemoved() {
			v.remove(catalog.ID{Name: n, Instance: r.GetId()}, r)
		}
		for _, i := range c.GetInstances() {
			v.put(n, i)
		}
	}
}

func (v *View) put(n catalog.Name, i *discoverypb.Instance) {
	delete(v.unsure, catalog.ID{Name: n, Instance: i.GetId()})
	if v.known == nil {
		v.known = map[catalog.Name]map[string]*discoverypb.Instance{}
	}
	set(v.known, n, i)
	v.Put(n, i)
}

func (v *View) remove(id catalog.ID, r *discoverypb.Removed) {
	delete(v.unsure, id)
	if v.known[id.Name][id.Instance] == nil {
		return
	}
	delete(v.known[id.Name], id.Instance)
	if len(v.known[id.Name]) == 0 {
		delete(v.known, id.Name)
	}
	v.Remove(id, r)
}
