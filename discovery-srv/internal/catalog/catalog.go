// Package catalog keeps what one node knows of instances, in memory, and tells who watches.
package catalog

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/btree"
	"google.golang.org/protobuf/types/known/timestamppb"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Name is that of a service.
type Name struct{ Namespace, Service string }

// Before orders names by namespace and service, by their bytes.
func (n Name) Before(o Name) bool {
	return cmp.Or(strings.Compare(n.Namespace, o.Namespace), strings.Compare(n.Service, o.Service)) < 0
}

// ID names an instance.
type ID struct {
	Name

	Instance string
}

// Options are fixed when a Catalog is made.
type Options struct {
	MaxBytes int64            // of instances, as they are counted; 0: without bound
	Now      func() time.Time // nil: time.Now
	Full     func(ID)         // is told of an instance that finds no room, once a minute at most; nil: nobody is
}

// Catalog knows instances. What it returns is shared, and nobody changes it. Its methods
// may be called at once.
type Catalog struct {
	opts Options

	mu        sync.RWMutex
	services  map[Name]*service
	names     *btree.BTreeG[*service] // those with instances
	folded    folded                  // likewise
	deserted  []*service              // those without, in the order of their last change
	base      uint64                  // changes up to it are unknown: of earlier lives, and of dropped services
	index     uint64
	bytes     int64
	instances int
	full      uint64    // what found no room
	fullAt    time.Time // when that was last
	toldFull  time.Time // when Full was told of it last

	watches  scopes
	watching int
	timeline timeline
}

// maxDeserted is how many services without instances are remembered, for who resumes a
// watch of them.
const maxDeserted = 1000

// New returns an empty catalog. Its index begins at the time in seconds, with room for 2^31
// changes in each, and somewhere in that: so the indexes of other nodes, and of earlier lives
// of this one, are unknown.
func New(o Options) *Catalog {
	if o.Now == nil {
		o.Now = time.Now
	}
	begin := uint64(max(o.Now().Unix(), 1))<<31 + uint64(rand.Uint32()>>1) //nolint:gosec // no secret
	return &Catalog{
		opts: o, base: begin, index: begin,
		services: map[Name]*service{},
		names:    btree.NewG(16, func(a, b *service) bool { return a.name.Before(b.name) }),
		folded:   folded{},
		watches:  scopes{},
		timeline: newTimeline(),
	}
}

// Put makes an instance known, or changes it, and says what happened: Type and Reason of
// the event are the caller's. It sets the index of i, and its update time unless it has one;
// i is the catalog's from then on. It returns false where nothing changes.
func (c *Catalog) Put(n Name, i *discoverypb.Instance, what *discoverypb.Event) (bool, error) {
	changed, err := c.put(n, i, what)
	if err != nil {
		c.refused(ID{n, i.GetId()})
	}
	return changed, err
}

func (c *Catalog) put(n Name, i *discoverypb.Instance, what *discoverypb.Event) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[n]
	old := s.find(i.GetId())
	if old != nil && same(old.instance, i) {
		return false, nil
	}
	now := c.opts.Now()
	if i.GetUpdateTime() == nil {
		i.UpdateTime = timestamppb.New(now.Truncate(time.Microsecond)) // as what is kept below has it
	}
	i.Index = c.index + 1
	grown := size(i)
	if old != nil {
		grown -= size(old.instance)
	}
	if c.opts.MaxBytes > 0 && grown > 0 && c.bytes+grown > c.opts.MaxBytes {
		return false, ErrFull
	}
	c.bytes += grown
	c.index++
	if s == nil {
		s = newService(n, c.base)
		c.services[n] = s
	}
	if old == nil {
		c.instances++
		c.settle(s, true)
	}
	s.put(old, i)
	c.timeline.note(ID{n, i.GetId()}, i, what, c.index, now)
	c.watches.changed(n)
	return true, nil
}

// Remove forgets an instance, and returns what was known of it, or nil.
func (c *Catalog) Remove(id ID, what *discoverypb.Event) *discoverypb.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[id.Name]
	old := s.find(id.Instance)
	if old == nil {
		return nil
	}
	c.bytes -= size(old.instance)
	c.index++
	c.instances--
	s.remove(old, &discoverypb.Removed{Id: id.Instance, Type: what.GetType(), Reason: what.GetReason()}, c.index)
	if s.len() == 0 {
		c.settle(s, false)
	}
	c.timeline.end(id, old.instance, what, c.index, c.opts.Now())
	c.watches.changed(id.Name)
	return old.instance
}

// settle notes whether a service has instances, and forgets the one that has had none for
// longest.
func (c *Catalog) settle(s *service, has bool) {
	if has {
		if s.len() == 0 { // it is about to have its first
			c.names.ReplaceOrInsert(s)
			c.folded.add(s.name)
			c.deserted = slices.DeleteFunc(c.deserted, func(d *service) bool { return d == s })
		}
		return
	}
	c.names.Delete(s)
	c.folded.remove(s.name)
	c.deserted = append(c.deserted, s)
	if len(c.deserted) > maxDeserted {
		oldest := c.deserted[0]
		c.deserted = slices.Delete(c.deserted, 0, 1)
		delete(c.services, oldest.name)
		c.base = max(c.base, oldest.index)
	}
}

// Get returns one instance, or nil.
func (c *Catalog) Get(id ID) *discoverypb.Instance {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e := c.services[id.Name].find(id.Instance); e != nil {
		return e.instance
	}
	return nil
}

// Instances calls yield with those of a service whose IDs are after one, in order, until it
// returns false. It returns false for a service that has none.
func (c *Catalog) Instances(n Name, after string, yield func(*discoverypb.Instance) bool) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.services[n]
	if s == nil || s.len() == 0 {
		return false
	}
	s.ascend(after, yield)
	return true
}

// Services returns summaries of services, of one namespace or of all if that is "": those
// whose names begin with prefix and are after one, and whether there are more.
func (c *Catalog) Services(namespace, prefix string, after Name, limit int) (all []*discoverypb.ServiceSummary, more bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	from := after
	if first := (Name{namespace, prefix}); namespace != "" && from.Before(first) {
		from = first
	}
	c.names.AscendGreaterOrEqual(&service{name: from}, func(s *service) bool {
		switch {
		case namespace != "" && s.name.Namespace != namespace:
			return false
		case s.name == after:
			return true
		case !strings.HasPrefix(s.name.Service, prefix):
			return namespace == "" || s.name.Service < prefix
		case len(all) == limit:
			more = true
			return false
		}
		all = append(all, s.summary())
		return true
	})
	return all, more
}

// Timeline returns up to limit events of a service, or of one of its instances, the latest
// first: those before an index, or all for 0. It tells before which one there are more; 0:
// there are none.
func (c *Catalog) Timeline(n Name, instance string, before uint64, limit int) (some []*discoverypb.Event, more uint64) {
	if before == 0 {
		before = math.MaxUint64
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.timeline.list(n, instance, before, limit)
}

// Known tells whether an instance was there and was lost, as far as the timeline goes.
func (c *Catalog) Known(id ID) (last discoverypb.Event_Type) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.timeline.last(id)
}

// Stats is what a catalog holds.
type Stats struct {
	Services, Instances, Watches int

	Bytes  int64
	Index  uint64
	Full   uint64    // instances that found no room, as often as they did
	FullAt time.Time // when one did last; zero: none ever did
}

// Stats returns the current figures.
func (c *Catalog) Stats() Stats {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return Stats{
		Services: c.names.Len(), Instances: c.instances, Watches: c.watching,
		Bytes: c.bytes, Index: c.index, Full: c.full, FullAt: c.fullAt,
	}
}
