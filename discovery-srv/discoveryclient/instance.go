package discoveryclient

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Status says whether an instance wants calls.
type Status int

// The statuses. A service newer than this package may have others.
const (
	StatusNone         Status = iota // nothing is said
	StatusUp                         // it does
	StatusDraining                   // it ends those that it has
	StatusOutOfService               // it gets none
)

func (s Status) String() string {
	switch s {
	case StatusNone:
		return "none"
	case StatusUp:
		return "up"
	case StatusDraining:
		return "draining"
	case StatusOutOfService:
		return "out-of-service"
	}
	return unknown
}

const unknown = "unknown"

// Source is how a node knows of an instance.
type Source int

// The sources. A service newer than this package may have others.
const (
	SourceLease Source = iota + 1 // by a lease
	SourcePeer                    // by the registry below, in which another node has put it
	SourceSeen                    // by the registry below, in which somebody else has put it
)

func (s Source) String() string {
	switch s {
	case SourceLease:
		return "lease"
	case SourcePeer:
		return "peer"
	case SourceSeen:
		return "seen"
	}
	return unknown
}

// Instance is one of a service.
type Instance struct {
	ID              string
	Address         string // host:port
	Version         string
	Zone            string
	Weight          int // how many calls it wants beside others; usually 100
	Metadata        map[string]string
	ServiceMetadata map[string]string
	Endpoints       []Endpoint

	Status         Status // that of the operator, or else of the instance
	InstanceStatus Status // what the instance says
	OperatorStatus Status // what an operator says
	StatusReason   string // why Status is not up, as whoever set it has said

	Source     Source
	Registered time.Time     // or seen, first
	Updated    time.Time     // changed last
	TTL        time.Duration // of its lease; 0: it was seen
}

// Endpoint is a method that can be called, as go-micro describes it.
type Endpoint struct {
	Name     string
	Request  *Value
	Response *Value
	Metadata map[string]string
}

// Value describes a type of an endpoint.
type Value struct {
	Name   string
	Type   string
	Values []*Value
}

func instanceOf(p *discoverypb.Instance) Instance {
	i := Instance{
		ID: p.GetId(), Address: p.GetAddress(), Version: p.GetVersion(), Zone: p.GetZone(), Weight: int(p.GetWeight()),
		Metadata: p.GetMetadata(), ServiceMetadata: p.GetServiceMetadata(),
		Status: Status(p.GetStatus()), InstanceStatus: Status(p.GetInstanceStatus()), OperatorStatus: Status(p.GetOperatorStatus()),
		StatusReason: p.GetStatusReason(), Source: Source(p.GetSource()),
		Registered: timeOf(p.GetRegisterTime()), Updated: timeOf(p.GetUpdateTime()), TTL: p.GetTtl().AsDuration(),
	}
	for _, e := range p.GetEndpoints() {
		i.Endpoints = append(i.Endpoints, Endpoint{e.GetName(), valueOf(e.GetRequest()), valueOf(e.GetResponse()), e.GetMetadata()})
	}
	return i
}

func valueOf(p *discoverypb.Value) *Value {
	if p == nil {
		return nil
	}
	v := &Value{Name: p.GetName(), Type: p.GetType()}
	for _, in := range p.GetValues() {
		v.Values = append(v.Values, valueOf(in))
	}
	return v
}

// timeOf is zero for none.
func timeOf(p *timestamppb.Timestamp) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.AsTime()
}

// Summary is what a list tells of a service.
type Summary struct {
	Namespace, Service string
	Versions, Zones    []string // those that instances have, in order, the first 20 of them

	Up, Draining, OutOfService int       // instances by their status
	Seen                       int       // of all instances, those that were seen in the registry below
	Updated                    time.Time // when one was changed last
}

func summaryOf(p *discoverypb.ServiceSummary) Summary {
	return Summary{
		Namespace: p.GetNamespace(), Service: p.GetService(), Versions: p.GetVersions(), Zones: p.GetZones(),
		Up: int(p.GetUp()), Draining: int(p.GetDraining()), OutOfService: int(p.GetOutOfService()), Seen: int(p.GetSeen()),
		Updated: timeOf(p.GetUpdateTime()),
	}
}
