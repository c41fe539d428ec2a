package handler

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/kv-srv/internal/store"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// GetRing implements kvpb.KVHandler.
func (h *Handler) GetRing(ctx context.Context, _ *kvpb.GetRingRequest, rsp *kvpb.GetRingResponse) error {
	s, ok := h.store.(store.Ringed)
	if !ok {
		return refusal(ctx, &store.UnsupportedError{Backend: "this store", Op: "tell of a ring", Have: []string{"memory: with KV_PEERS"}})
	}
	ring, err := s.Ring(ctx)
	if err != nil {
		return refusal(ctx, err)
	}
	rsp.Replicas, rsp.Slots, rsp.Node = int32(ring.Replicas), int32(ring.Slots), ring.Node //nolint:gosec // both are small
	for _, n := range ring.Nodes {
		rsp.Nodes = append(rsp.Nodes, nodeProto(n))
	}
	return nil
}

func nodeProto(n store.Node) *kvpb.GetRingResponse_Node {
	p := &kvpb.GetRingResponse_Node{
		Name: n.Name, State: nodeState(n.State), Share: n.Share,
		Keys: n.Keys, Copies: n.Copies, Bytes: n.Bytes, MaxBytes: n.MaxBytes,
		Moving: n.Moving, Moved: n.Moved, Conflicts: n.Conflicts, Waiting: n.Waiting, Silent: n.Silent,
	}
	if !n.Started.IsZero() {
		p.StartTime = timestamppb.New(n.Started)
	}
	return p
}

func nodeState(s store.NodeState) kvpb.GetRingResponse_State {
	switch s {
	case store.Joining:
		return kvpb.GetRingResponse_STATE_JOINING
	case store.Serving:
		return kvpb.GetRingResponse_STATE_SERVING
	case store.Leaving:
		return kvpb.GetRingResponse_STATE_LEAVING
	}
	return kvpb.GetRingResponse_STATE_UNSPECIFIED
}
