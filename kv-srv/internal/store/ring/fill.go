package ring

import (
	"context"
	"errors"
	"slices"

	"github.com/micro/platform/kv-srv/internal/store/memory"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// fill makes a slot at a node what it is here. Nobody writes to it meanwhile.
func (s *Store) fill(ctx context.Context, v *view, name string, slot int) error {
	end, err := s.turn(ctx, slot)
	if err != nil {
		return err
	}
	defer end()
	if err := s.fillNow(ctx, v, name, slot); err != nil {
		return err
	}
	s.brought(v, slot, name)
	return nil
}

// fillNow is fill in the turn of the slot.
func (s *Store) fillNow(ctx context.Context, v *view, name string, slot int) (err error) {
	copies := s.local.Slot(slot)
	var a *ringpb.Answer
	for _, part := range s.parts(v, slot, copies, s.local.Requests(slot)) {
		if a, err = s.ask(ctx, v, name, &ringpb.Call{Fill: part}); err != nil {
			return err
		}
	}
	sent := len(copies)
	if wanted := a.GetNumbers().GetValues(); wanted != nil {
		sent = len(wanted)
		if err := s.sendWanted(ctx, v, name, copies, wanted); err != nil {
			return err
		}
	}
	s.moved.Add(int64(sent))
	return nil
}

// rememberedSize is about what a request takes in a message.
const rememberedSize = 48

// fillWhole is how many bytes of a slot are sent as they are, without asking what is wanted.
const fillWhole = 256 << 10

// parts are the messages that bring all of a slot, in an attempt of their own. A slot that
// is large goes without its values, and the answer says which are wanted.
func (s *Store) parts(v *view, slot int, copies []memory.Copy, requests []memory.Remembered) []*ringpb.Fill {
	size := 0
	for _, c := range copies {
		size += c.Item.Size()
	}
	bare := size > fillWhole
	size = frameBytes
	attempt := s.attempts.Add(1)
	var all []*ringpb.Fill
	next := func(bytes int) *ringpb.Fill {
		if size += bytes; size > frameBytes {
			if len(all) > 0 {
				all[len(all)-1].More = true
			}
			all = append(all, &ringpb.Fill{
				View: v.id, Slot: int32(slot), Bare: bare, Attempt: attempt, Part: int32(len(all)), //nolint:gosec // small
			})
			size = bytes
		}
		return all[len(all)-1]
	}
	next(1) // there is always one
	for _, c := range copies {
		r := recordOf(c)
		if bare {
			r.Value, r.Metadata = nil, nil
		}
		part := next(len(r.GetKey()) + len(r.GetValue()) + 64)
		part.Records = append(part.Records, r)
	}
	for some := range slices.Chunk(rememberedProto(requests), frameBytes/rememberedSize/4) {
		part := next(len(some) * rememberedSize)
		part.Requests = append(part.Requests, some...)
	}
	return all
}

// sendWanted sends some of the copies, in messages of a bounded size.
func (s *Store) sendWanted(ctx context.Context, v *view, name string, copies []memory.Copy, wanted []int32) error {
	r, size := &ringpb.Replicate{View: v.id, Old: true}, 0
	send := func() error {
		_, err := s.ask(ctx, v, name, &ringpb.Call{Replicate: r})
		r, size = &ringpb.Replicate{View: v.id, Old: true}, 0
		return err
	}
	for _, i := range wanted {
		if int(i) >= len(copies) || i < 0 {
			return errors.New("a node wants of a slot what it was not sent")
		}
		c := copies[i]
		if size += c.Item.Size(); size > frameBytes && len(r.GetRecords()) > 0 {
			if err := send(); err != nil {
				return err
			}
			size = c.Item.Size()
		}
		r.Records = append(r.Records, recordOf(c))
	}
	if len(r.GetRecords()) == 0 {
		return nil
	}
	return send()
}

// filled makes a slot what it is at its owner, and answers which entries it wants.
func (s *Store) filled(f *ringpb.Fill) *ringpb.Answer {
	return s.inView(f.GetView(), func(*view) *ringpb.Answer {
		if f.GetSlot() < 0 || f.GetSlot() >= slots {
			return failure(errors.New("no such slot"))
		}
		if s.keeping.Load() {
			return failure(errMoved) // not yet
		}
		whole, err := s.whole(f)
		if err != nil {
			return failure(err)
		}
		if whole == nil {
			return &ringpb.Answer{}
		}
		wanted, err := s.local.Restore(int(f.GetSlot()), whole.copies, whole.requests, f.GetBare())
		if err != nil {
			return failure(err)
		}
		n := &ringpb.Numbers{}
		for _, i := range wanted {
			n.Values = append(n.Values, int32(i)) //nolint:gosec // a slot has fewer
		}
		return &ringpb.Answer{Numbers: n}
	})
}

// filling is what has arrived of a slot.
type filling struct {
	attempt  uint64 // the latest
	parts    int32  // of it
	copies   []memory.Copy
	requests []memory.Remembered
}

// whole returns all of a slot with its last part, and nil before. Of a slot one node at a
// time sends parts, its owner, and begins anew where it does not know what has arrived:
// what is left of an earlier attempt, or arrives later, is none of the slot.
func (s *Store) whole(f *ringpb.Fill) (*filling, error) {
	s.fillsMu.Lock()
	defer s.fillsMu.Unlock()
	w := s.fills[f.GetSlot()]
	if w == nil || w.attempt < f.GetAttempt() {
		w = &filling{attempt: f.GetAttempt()}
		s.fills[f.GetSlot()] = w
	}
	if w.attempt != f.GetAttempt() || w.parts != f.GetPart() {
		return nil, errors.New("a part of a slot came out of turn")
	}
	w.parts++
	for _, rec := range f.GetRecords() {
		w.copies = append(w.copies, copyOf(rec))
	}
	w.requests = append(w.requests, rememberedOf(f.GetRequests())...)
	if f.GetMore() {
		return nil, nil //nolint:nilnil // as it says
	}
	s.fills[f.GetSlot()] = &filling{attempt: w.attempt, parts: w.parts}
	return w, nil
}

// dropFills forgets what has arrived in the view before. Store.gate is held for writing.
func (s *Store) dropFills() {
	s.fillsMu.Lock()
	defer s.fillsMu.Unlock()
	s.fills = map[int32]*filling{}
}
