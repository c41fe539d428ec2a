package page

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
)

// follow sends entries as they come, those of a tenth of a second together.
func (s *Site) follow(r *Request, v View, out *stream) {
	var source sync.WaitGroup
	defer source.Wait()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	entries, end := make(chan []byte), make(chan error, 1)
	source.Go(func() {
		emit := func(entry any) error {
			html, err := s.part(v.Name+entrySuffix, &scope{Request: r, Data: entry})
			if err != nil {
				return err
			}
			select {
			case entries <- []byte(html):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		end <- s.guarded(r, func() error { return v.Follow(ctx, r, emit) })
	})
	b := batch{site: s, r: r}
	tick, alive := time.NewTicker(100*time.Millisecond), time.NewTicker(silence)
	defer tick.Stop()
	defer alive.Stop()
	for err := out.comment(); err == nil; {
		select {
		case e := <-entries:
			b.add(e)
		case <-tick.C:
			err = b.send(out)
		case <-alive.C:
			err = out.comment()
		case why := <-end:
			b.end(out, why)
			return
		}
	}
}

// batch is entries that were not sent yet.
type batch struct {
	site    *Site
	r       *Request
	entries [][]byte
	left    int // out: more than maxBatch came at once
}

func (b *batch) add(entry []byte) {
	if len(b.entries) == maxBatch {
		b.entries = b.entries[1:]
		b.left++
	}
	b.entries = append(b.entries, entry)
}

// end sends what is left, and why no more comes. Without a reason the browser asks again.
func (b *batch) end(out *stream, why error) {
	tell := why != nil && b.r.Context().Err() == nil
	if tell {
		b.site.report(b.r, why)
		html, err := b.site.part("ended", &scope{Request: b.r, Data: known(why)})
		b.site.report(b.r, err)
		b.add([]byte(html))
	}
	if err := b.send(out); err == nil && tell {
		_ = out.event(closing, nil) // it ends either way
	}
}

// send sends the newest first: each goes in front of what is there.
func (b *batch) send(out *stream) error {
	if len(b.entries) == 0 {
		return nil
	}
	var all bytes.Buffer
	for _, entry := range slices.Backward(b.entries) {
		all.Write(entry)
	}
	if b.left > 0 {
		html, err := b.site.part("left", &scope{Request: b.r, Data: b.left})
		if err != nil {
			return err
		}
		all.WriteString(string(html))
	}
	b.entries, b.left = nil, 0
	return out.event("entry", all.Bytes())
}
