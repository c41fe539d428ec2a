package catalog

import (
	"maps"
	"slices"

	"github.com/google/btree"
	"google.golang.org/protobuf/proto"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// service is the instances of one service. It changes under Catalog.mu.
type service struct {
	name  Name
	byID  *btree.BTreeG[*entry]
	index uint64 // of the last change

	// Entries by their last change, the latest first, in a ring that begins with head.
	head entry

	gone  []gone // ascending by index
	floor uint64 // of those up to it, some are forgotten
}

type entry struct {
	instance   *discoverypb.Instance
	prev, next *entry
}

// gone is a removal.
type gone struct {
	index   uint64
	removed *discoverypb.Removed
}

// minGone is how many removals are remembered at least.
const minGone = 64

// newService returns one of which nothing is known up to an index: it may have been dropped.
func newService(n Name, floor uint64) *service {
	s := &service{name: n, floor: floor, byID: btree.NewG(8, func(a, b *entry) bool { return a.instance.GetId() < b.instance.GetId() })}
	s.head.prev, s.head.next = &s.head, &s.head
	return s
}

func (s *service) len() int { return s.byID.Len() }

func probe(id string) *entry { return &entry{instance: &discoverypb.Instance{Id: id}} }

// find returns nil for an instance that is not there, also of no service.
func (s *service) find(id string) *entry {
	if s == nil {
		return nil
	}
	e, _ := s.byID.Get(probe(id))
	return e
}

// put adds an instance, or replaces that of an entry.
func (s *service) put(e *entry, i *discoverypb.Instance) {
	if latest := s.head.next; latest != &s.head {
		share(i, latest.instance)
	}
	if e == nil {
		e = &entry{instance: i}
		s.byID.ReplaceOrInsert(e)
	} else {
		share(i, e.instance)
		e.unlink()
	}
	e.instance = i
	e.prev, e.next = &s.head, s.head.next
	e.prev.next, e.next.prev = e, e
	s.index = i.GetIndex()
}

func (e *entry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (s *service) remove(e *entry, r *discoverypb.Removed, index uint64) {
	s.byID.Delete(e)
	e.unlink()
	s.index = index
	s.gone = append(s.gone, gone{index, r})
	if most := max(minGone, s.len()); len(s.gone) > 2*most {
		forget := len(s.gone) - most
		s.floor = s.gone[forget-1].index
		s.gone = slices.Clone(s.gone[forget:])
	}
}

// ascend calls yield with the instances whose IDs are after one.
func (s *service) ascend(after string, yield func(*discoverypb.Instance) bool) {
	s.byID.AscendGreaterOrEqual(probe(after), func(e *entry) bool {
		return e.instance.GetId() == after || yield(e.instance)
	})
}

// since returns what changed after an index, or nil. It is for an index from floor on.
func (s *service) since(index uint64) *discoverypb.ServiceChange {
	c := &discoverypb.ServiceChange{Namespace: s.name.Namespace, Service: s.name.Service}
	for e := s.head.next; e != &s.head && e.instance.GetIndex() > index; e = e.next {
		c.Instances = append(c.Instances, e.instance)
	}
	seen := map[string]bool{}
	for _, g := range slices.Backward(s.gone) {
		if g.index <= index {
			break
		}
		if id := g.removed.GetId(); !seen[id] && s.find(id) == nil {
			seen[id] = true
			c.Removed = append(c.Removed, g.removed)
		}
	}
	if len(c.GetInstances())+len(c.GetRemoved()) == 0 {
		return nil
	}
	return c
}

// whole returns all that there is.
func (s *service) whole() *discoverypb.ServiceChange {
	c := &discoverypb.ServiceChange{Namespace: s.name.Namespace, Service: s.name.Service}
	c.Instances = make([]*discoverypb.Instance, 0, s.len())
	s.ascend("", func(i *discoverypb.Instance) bool {
		c.Instances = append(c.Instances, i)
		return true
	})
	return c
}

// maxWords is how many versions and zones a summary has.
const maxWords = 20

func (s *service) summary() *discoverypb.ServiceSummary {
	sum := &discoverypb.ServiceSummary{Namespace: s.name.Namespace, Service: s.name.Service}
	versions, zones := map[string]bool{}, map[string]bool{}
	for e := s.head.next; e != &s.head; e = e.next {
		i := e.instance
		versions[i.GetVersion()], zones[i.GetZone()] = true, true
		switch i.GetStatus() {
		case discoverypb.Status_STATUS_UP:
			sum.Up++
		case discoverypb.Status_STATUS_DRAINING:
			sum.Draining++
		case discoverypb.Status_STATUS_OUT_OF_SERVICE:
			sum.OutOfService++
		case discoverypb.Status_STATUS_UNSPECIFIED:
		}
		if i.GetSource() == discoverypb.Source_SOURCE_SEEN {
			sum.Seen++
		}
	}
	sum.Versions, sum.Zones = words(versions), words(zones)
	if latest := s.head.next; latest != &s.head {
		sum.UpdateTime = latest.instance.GetUpdateTime()
	}
	return sum
}

// words are in order, without the empty one.
func words(set map[string]bool) []string {
	delete(set, "")
	all := slices.Sorted(maps.Keys(set))
	return all[:min(len(all), maxWords)]
}

// share has an instance use the memory of another one for what they have in common: most
// of what the instances of a service say is the same.
func share(i, with *discoverypb.Instance) {
	if maps.Equal(i.GetMetadata(), with.GetMetadata()) {
		i.Metadata = with.GetMetadata()
	}
	if maps.Equal(i.GetServiceMetadata(), with.GetServiceMetadata()) {
		i.ServiceMetadata = with.GetServiceMetadata()
	}
	if equalEndpoints(i.GetEndpoints(), with.GetEndpoints()) {
		i.Endpoints = with.GetEndpoints()
	}
	if i.GetVersion() == with.GetVersion() {
		i.Version = with.GetVersion()
	}
	if i.GetZone() == with.GetZone() {
		i.Zone = with.GetZone()
	}
	if proto.Equal(i.GetTtl(), with.GetTtl()) {
		i.Ttl = with.GetTtl()
	}
}

func equalEndpoints(a, b []*discoverypb.Endpoint) bool {
	if len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, func(a, b *discoverypb.Endpoint) bool { return proto.Equal(a, b) })
}

// same tells whether two instances differ in no more than when they were told.
func same(a, b *discoverypb.Instance) bool {
	return a.GetId() == b.GetId() && a.GetAddress() == b.GetAddress() && a.GetVersion() == b.GetVersion() &&
		a.GetZone() == b.GetZone() && a.GetWeight() == b.GetWeight() &&
		a.GetStatus() == b.GetStatus() && a.GetInstanceStatus() == b.GetInstanceStatus() &&
		a.GetOperatorStatus() == b.GetOperatorStatus() && a.GetStatusReason() == b.GetStatusReason() &&
		a.GetSource() == b.GetSource() && proto.Equal(a.GetTtl(), b.GetTtl()) &&
		proto.Equal(a.GetRegisterTime(), b.GetRegisterTime()) &&
		maps.Equal(a.GetMetadata(), b.GetMetadata()) && maps.Equal(a.GetServiceMetadata(), b.GetServiceMetadata()) &&
		equalEndpoints(a.GetEndpoints(), b.GetEndpoints())
}

// overhead is what an instance takes beside what it says: measured, with its lease and its
// timeline.
const overhead = 1 << 10

// maxReason is how long the reason of a status may be that does not count.
const maxReason = 256

// size counts an instance. What it shares with others counts again. Its status does not, so
// that this can be said of an instance when the catalog is full, too.
func size(i *discoverypb.Instance) int64 {
	reason := i.GetStatusReason()
	status := &discoverypb.Instance{
		Status: i.GetStatus(), InstanceStatus: i.GetInstanceStatus(), OperatorStatus: i.GetOperatorStatus(),
		StatusReason: reason[:min(len(reason), maxReason)], UpdateTime: i.GetUpdateTime(), Index: i.GetIndex(),
	}
	return int64(proto.Size(i)-proto.Size(status)) + overhead
}
