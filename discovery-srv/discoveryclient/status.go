package discoveryclient

import (
	"context"
	"errors"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// setStatus says the status of what is registered under a name.
func (h *holder) setStatus(ctx context.Context, name string, s discoverypb.Status, reason string) error {
	var errs []error
	for node, l := range h.named(name) {
		lease := l.say(s, reason)
		if lease == "" { // it is registered with this status, if ever
			continue
		}
		_, err := ask(ctx, h.registry.nodes, twice, h.registry.nodes.registry.SetStatus, &discoverypb.SetStatusRequest{
			Namespace: h.registry.namespace, Service: name, InstanceId: node, Status: s, LeaseId: lease, Reason: reason,
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// say keeps a status, and returns the lease to tell discovery with.
func (l *held) say(s discoverypb.Status, reason string) (lease string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.reason = s, reason
	return l.lease
}

// ready says why what is to be registered under a name never was.
func (h *holder) ready(name string) error {
	var errs []error
	for _, l := range h.named(name) {
		l.mu.Lock()
		errs = append(errs, l.failure)
		l.mu.Unlock()
	}
	return errors.Join(errs...)
}

// named returns what is held under a name, by its node.
func (h *holder) named(name string) map[string]*held {
	h.mu.Lock()
	defer h.mu.Unlock()
	some := map[string]*held{}
	for id, l := range h.held {
		if id.service == name {
			some[id.node] = l
		}
	}
	return some
}
