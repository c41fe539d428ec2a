package discoveryclient

import (
	"time"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// EventType is what happened to an instance.
type EventType int

// The types of events. A service newer than this package may send others.
const (
	EventRegistered   EventType = iota + 1 // for the first time
	EventChanged                           // registered with something else, such as another version
	EventStatus                            // its status changed
	EventLost                              // its lease ended without a word
	EventBack                              // it registered after it was lost
	EventDeregistered                      // it said that it leaves, or an operator removed it
	EventSeen                              // it was seen in the registry below
	EventGone                              // it is not in the registry below any more
)

func (t EventType) String() string {
	switch t {
	case EventRegistered:
		return "registered"
	case EventChanged:
		return "changed"
	case EventStatus:
		return "status"
	case EventLost:
		return "lost"
	case EventBack:
		return "back"
	case EventDeregistered:
		return "deregistered"
	case EventSeen:
		return "seen"
	case EventGone:
		return "gone"
	}
	return unknown
}

// Event is something that happened to an instance.
type Event struct {
	InstanceID string
	Type       EventType
	Time       time.Time
	Reason     string // as far as is known
	Status     Status // of the instance then, or at last; so are Address and Version
	Address    string
	Version    string
}

func eventOf(p *discoverypb.Event) Event {
	return Event{
		InstanceID: p.GetInstanceId(), Type: EventType(p.GetType()), Time: timeOf(p.GetTime()), Reason: p.GetReason(),
		Status: Status(p.GetStatus()), Address: p.GetAddress(), Version: p.GetVersion(),
	}
}
