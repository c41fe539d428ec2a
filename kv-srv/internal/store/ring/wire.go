package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/request"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// errMoved is the answer of a node that is not the one to ask: nothing was done.
var errMoved = errors.New("another node of the ring answers for the key")

// errTimeout is the answer of a node that could not tell in time.
var errTimeout = errors.New("the node of the ring could not tell in time")

type pair struct {
	outcome ringpb.Answer_Outcome
	err     error
}

// outcomes are the errors that nodes tell each other. The first one that fits is told.
func outcomes() []pair {
	return []pair{
		{ringpb.Answer_OUTCOME_MOVED, errMoved},
		{ringpb.Answer_OUTCOME_MOVED, errLeft},
		{ringpb.Answer_OUTCOME_NOT_FOUND, store.ErrNotFound},
		{ringpb.Answer_OUTCOME_EXISTS, store.ErrExists},
		{ringpb.Answer_OUTCOME_VERSION, store.ErrVersion},
		{ringpb.Answer_OUTCOME_NOT_NUMBER, store.ErrNotNumber},
		{ringpb.Answer_OUTCOME_OVERFLOW, store.ErrOverflow},
		{ringpb.Answer_OUTCOME_FULL, store.ErrFull},
		{ringpb.Answer_OUTCOME_TIMEOUT, errTimeout},
		{ringpb.Answer_OUTCOME_TIMEOUT, errBroken},
		{ringpb.Answer_OUTCOME_TIMEOUT, context.DeadlineExceeded},
		{ringpb.Answer_OUTCOME_TIMEOUT, context.Canceled},
	}
}

// outcome is the error of an answer.
func outcome(a *ringpb.Answer) error {
	if a.GetOutcome() == ringpb.Answer_OUTCOME_UNSPECIFIED {
		return nil
	}
	for _, p := range outcomes() {
		if p.outcome == a.GetOutcome() {
			return p.err
		}
	}
	return fmt.Errorf("a node of the ring: %s", a.GetMessage())
}

// failure is an answer that says why not.
func failure(err error) *ringpb.Answer {
	for _, p := range outcomes() {
		if errors.Is(err, p.err) {
			return &ringpb.Answer{Outcome: p.outcome}
		}
	}
	return &ringpb.Answer{Outcome: ringpb.Answer_OUTCOME_FAILED, Message: err.Error()}
}

func recordOf(c memory.Copy) *ringpb.Record {
	r := &ringpb.Record{
		Namespace: c.Namespace, Key: c.Item.Key, Value: c.Item.Value, Version: c.Item.Version,
		Metadata: c.Item.Metadata, Gone: c.Gone, Sum: c.Answer.Sum, Answered: c.Answer.Version,
	}
	if !c.Item.Updated.IsZero() {
		r.Updated = c.Item.Updated.UnixNano()
	}
	if !c.Item.Expires.IsZero() {
		r.Expires = c.Item.Expires.UnixNano()
	}
	if c.Request.Given {
		r.Request = c.Request.Sum[:]
	}
	return r
}

func copyOf(r *ringpb.Record) memory.Copy {
	c := memory.Copy{
		Namespace: r.GetNamespace(), Item: itemOf(r), Gone: r.GetGone(),
		Answer: request.Answer{Sum: r.GetSum(), Version: r.GetAnswered()},
	}
	if len(r.GetRequest()) == len(c.Request.Sum) {
		c.Request = request.Name{Sum: [16]byte(r.GetRequest()), Given: true}
	}
	return c
}

func itemOf(r *ringpb.Record) store.Item {
	return store.Item{
		Key: r.GetKey(), Value: r.GetValue(), Version: r.GetVersion(), Metadata: r.GetMetadata(),
		Updated: moment(r.GetUpdated()), Expires: moment(r.GetExpires()),
	}
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func rememberedOf(all []*ringpb.Remembered) []memory.Remembered {
	out := make([]memory.Remembered, 0, len(all))
	for _, r := range all {
		m := memory.Remembered{Answer: request.Answer{Sum: r.GetSum(), Version: r.GetVersion()}, Since: moment(r.GetSince())}
		if copy(m.Sum[:], r.GetName()) == len(m.Sum) {
			out = append(out, m)
		}
	}
	return out
}

func rememberedProto(all []memory.Remembered) []*ringpb.Remembered {
	out := make([]*ringpb.Remembered, len(all))
	for i, r := range all {
		out[i] = &ringpb.Remembered{Name: r.Sum[:], Sum: r.Answer.Sum, Version: r.Answer.Version, Since: r.Since.UnixNano()}
	}
	return out
}
