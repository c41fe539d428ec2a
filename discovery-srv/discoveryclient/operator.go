package discoveryclient

import (
	"context"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// SetStatus says as an operator whether an instance wants calls, whatever it says itself,
// until that is taken back or the instance is gone. StatusNone takes it back. It returns
// the instance as it is now, and whether the registry below keeps the status: else it is
// forgotten when the node ends that has answered.
func (c *Client) SetStatus(ctx context.Context, service, id string, s Status, reason string) (i Instance, kept bool, err error) {
	return c.setStatus(ctx, "set status", service, id, s, reason)
}

// Drain is SetStatus with StatusDraining.
func (c *Client) Drain(ctx context.Context, service, id, reason string) (i Instance, kept bool, err error) {
	return c.setStatus(ctx, "drain", service, id, StatusDraining, reason)
}

// Undrain is SetStatus with StatusNone: what an operator has said is taken back, and what
// the instance says counts.
func (c *Client) Undrain(ctx context.Context, service, id, reason string) (i Instance, kept bool, err error) {
	return c.setStatus(ctx, "undrain", service, id, StatusNone, reason)
}

func (c *Client) setStatus(ctx context.Context, op, service, id string, s Status, reason string) (Instance, bool, error) {
	req := &discoverypb.SetStatusRequest{
		Namespace: c.namespace, Service: service, InstanceId: id, Reason: reason,
		Status: discoverypb.Status(s), //nolint:gosec // a status is small
	}
	rsp, err := ask(ctx, c.nodes, often, c.nodes.registry.SetStatus, req) // the second one changes nothing
	if err != nil {
		return Instance{}, false, failed(ctx, op, key(service, id), err)
	}
	return instanceOf(rsp.GetInstance()), rsp.GetKept(), nil
}

// Deregister removes an instance as an operator does, whoever registered it, or returns
// ErrNotFound. One that lives registers again. It is sent once: a second one could remove
// who has come again in between.
func (c *Client) Deregister(ctx context.Context, service, id, reason string) error {
	req := &discoverypb.DeregisterRequest{Namespace: c.namespace, Service: service, InstanceId: id, Reason: reason}
	_, err := ask(ctx, c.nodes, once, c.nodes.registry.Deregister, req)
	return failed(ctx, "deregister", key(service, id), err)
}
