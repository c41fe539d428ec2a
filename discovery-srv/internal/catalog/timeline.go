package catalog

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	maxEvents = 20     // of one instance
	maxEnded  = 10_000 // instances that are gone
)

// timeline is what happened to instances. It changes under Catalog.mu.
type timeline struct {
	stories map[Name]map[string]*story
	ended   *list.List // of ID, of stories that ended, the oldest first
}

// story is that of one instance.
type story struct {
	events []event
	ended  *list.Element // nil: the instance is there
}

type event struct {
	index   uint64
	at      int64 // nanoseconds since 1970
	what    discoverypb.Event_Type
	status  discoverypb.Status
	reason  string
	address string
	version string
}

func newTimeline() timeline { return timeline{map[Name]map[string]*story{}, list.New()} }

func (t *timeline) find(id ID) *story { return t.stories[id.Name][id.Instance] }

func (t *timeline) note(id ID, i *discoverypb.Instance, what *discoverypb.Event, index uint64, now time.Time) *story {
	s := t.find(id)
	if s == nil {
		s = &story{}
		if t.stories[id.Name] == nil {
			t.stories[id.Name] = map[string]*story{}
		}
		t.stories[id.Name][id.Instance] = s
	}
	if s.ended != nil {
		t.ended.Remove(s.ended)
		s.ended = nil
	}
	if len(s.events) == maxEvents {
		s.events = slices.Delete(s.events, 0, 1)
	}
	s.events = append(s.events, event{
		index: index, at: now.UnixNano(), what: what.GetType(), reason: what.GetReason(),
		status: i.GetStatus(), address: i.GetAddress(), version: i.GetVersion(),
	})
	return s
}

// end notes the last event of an instance, and forgets the one that ended first.
func (t *timeline) end(id ID, i *discoverypb.Instance, what *discoverypb.Event, index uint64, now time.Time) {
	t.note(id, i, what, index, now).ended = t.ended.PushBack(id)
	if t.ended.Len() <= maxEnded {
		return
	}
	oldest, _ := t.ended.Remove(t.ended.Front()).(ID)
	delete(t.stories[oldest.Name], oldest.Instance)
	if len(t.stories[oldest.Name]) == 0 {
		delete(t.stories, oldest.Name)
	}
}

// last is the type of the last event of an instance that is gone.
func (t *timeline) last(id ID) discoverypb.Event_Type {
	if s := t.find(id); s != nil && s.ended != nil {
		return s.events[len(s.events)-1].what
	}
	return discoverypb.Event_TYPE_UNSPECIFIED
}

// list returns up to limit events of a service, or of one of its instances, the latest first:
// those before an index. It tells before which one there are more, or 0.
func (t *timeline) list(n Name, instance string, before uint64, limit int) (some []*discoverypb.Event, more uint64) {
	type line struct {
		id string
		*event
	}
	var all []line
	latest := func(most int) {
		slices.SortFunc(all, func(a, b line) int { return cmp.Compare(b.index, a.index) })
		all = all[:min(len(all), most)]
	}
	add := func(id string, s *story) {
		for i := range s.events {
			if s.events[i].index < before {
				all = append(all, line{id, &s.events[i]})
			}
		}
		if len(all) > 2*limit+maxEvents {
			latest(limit + 1)
		}
	}
	if instance == "" {
		for id, s := range t.stories[n] {
			add(id, s)
		}
	} else if s := t.find(ID{n, instance}); s != nil {
		add(instance, s)
	}
	latest(limit + 1)
	for i, l := range all {
		if i == limit {
			return some, all[i-1].index
		}
		some = append(some, l.proto(l.id))
	}
	return some, 0
}

func (e *event) proto(id string) *discoverypb.Event {
	return &discoverypb.Event{
		InstanceId: id, Type: e.what, Time: timestamppb.New(time.Unix(0, e.at)),
		Reason: e.reason, Status: e.status, Address: e.address, Version: e.version,
	}
}
