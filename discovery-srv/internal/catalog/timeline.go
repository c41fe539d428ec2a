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
	at      int64 // nanoseconds since 1970
	what    discoverypb.Event_Type
	status  discoverypb.Status
	reason  string
	address string
	version string
}

func newTimeline() timeline { return timeline{map[Name]map[string]*story{}, list.New()} }

func (t *timeline) find(id ID) *story { return t.stories[id.Name][id.Instance] }

func (t *timeline) note(id ID, i *discoverypb.Instance, what *discoverypb.Event, now time.Time) *story {
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
		at: now.UnixNano(), what: what.GetType(), reason: what.GetReason(),
		status: i.GetStatus(), address: i.GetAddress(), version: i.GetVersion(),
	})
	return s
}

// end notes the last event of an instance, and forgets the one that ended first.
func (t *timeline) end(id ID, i *discoverypb.Instance, what *discoverypb.Event, now time.Time) {
	t.note(id, i, what, now).ended = t.ended.PushBack(id)
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

func (t *timeline) list(n Name, instance string) []*discoverypb.Event {
	var all []*discoverypb.Event
	for id, s := range t.stories[n] {
		if instance != "" && id != instance {
			continue
		}
		for _, e := range s.events {
			all = append(all, e.proto(id))
		}
	}
	slices.SortStableFunc(all, func(a, b *discoverypb.Event) int {
		return cmp.Or(b.GetTime().AsTime().Compare(a.GetTime().AsTime()), cmp.Compare(a.GetInstanceId(), b.GetInstanceId()),
			cmp.Compare(b.GetType(), a.GetType()))
	})
	return all
}

func (e event) proto(id string) *discoverypb.Event {
	return &discoverypb.Event{
		InstanceId: id, Type: e.what, Time: timestamppb.New(time.Unix(0, e.at)),
		Reason: e.reason, Status: e.status, Address: e.address, Version: e.version,
	}
}
