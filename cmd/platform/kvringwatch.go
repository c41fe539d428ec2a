package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/printable"
	"github.com/micro/platform/kv-srv/kvclient"
)

// ringLook is a ring as it was last told of.
type ringLook struct {
	ring kvclient.Ring
	at   time.Time
	err  error // of what was asked after that
}

// watchKVRing shows the ring every second. That it cannot be told of ends it only at first.
func (a *app) watchKVRing(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, _ []string) error {
	r, err := kv.Ring(ctx)
	if err != nil {
		return unlessCanceled(err)
	}
	show := a.ringLine
	if a.stdoutTerminal && !asJSON(cmd) {
		show = a.ringFrame
		fmt.Fprint(a.out, enter)
		defer fmt.Fprint(a.out, leave)
	}
	look := ringLook{ring: r, at: time.Now()}
	next := time.NewTicker(time.Second)
	defer next.Stop()
	for a.out.err == nil { // told at the end
		show(look)
		select {
		case <-next.C:
		case <-ctx.Done(): // the call says so
		}
		r, err := kv.Ring(ctx)
		switch {
		case err == nil:
			look = ringLook{ring: r, at: time.Now()}
		case ctx.Err() != nil:
			return unlessCanceled(err)
		default:
			look.err = err
		}
	}
	return nil
}

// unlessCanceled is nil if the user has ended it.
func unlessCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// ringFrame draws the ring over the one before.
func (a *app) ringFrame(l ringLook) {
	s := a.newScreen()
	s.add(cell{l.at.Format(time.TimeOnly), bold, false})
	if l.err != nil {
		s.add(cell{printable.Lines(strings.ReplaceAll(l.err.Error(), "\n", "; ")), red, false})
	}
	s.add(cell{})
	var b strings.Builder
	printRing(&b, l.ring)
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		look := ""
		if i == 0 {
			look = bold
		}
		s.add(cell{line, look, false})
	}
	fmt.Fprint(a.out, s.frame())
}

// ringLine prints one line of JSON.
func (a *app) ringLine(l ringLook) {
	line := struct {
		Time  time.Time `json:"time"`
		Error string    `json:"error,omitempty"`
		Ring  *jsonRing `json:"ring,omitempty"` // not there with an error
	}{Time: l.at}
	if l.err != nil {
		line.Error, line.Time = l.err.Error(), time.Now()
	} else {
		r := newJSONRing(l.ring)
		line.Ring = &r
	}
	a.line(line)
}

// jsonRing is a ring as JSON.
type jsonRing struct {
	Replicas int        `json:"replicas"`
	Slots    int        `json:"slots"`
	Node     string     `json:"node"`
	Nodes    []jsonNode `json:"nodes"`
}

type jsonNode struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Share     float64   `json:"share"`
	StartTime time.Time `json:"startTime,omitzero"`
	Waiting   string    `json:"waiting,omitempty"`
	Silent    bool      `json:"silent,omitempty"`

	*jsonFigures // nil of a silent one
}

type jsonFigures struct {
	Keys      int64 `json:"keys,string"`
	Copies    int64 `json:"copies,string"`
	Bytes     int64 `json:"bytes,string"`
	MaxBytes  int64 `json:"maxBytes,string"`
	Moving    int64 `json:"moving,string"`
	Moved     int64 `json:"moved,string"`
	Conflicts int64 `json:"conflicts,string"`
}

func newJSONRing(r kvclient.Ring) jsonRing {
	nodes := []jsonNode{} // not null
	for _, n := range r.Nodes {
		one := jsonNode{Name: n.Name, State: n.State.String(), Share: n.Share, StartTime: n.Started, Waiting: n.Waiting, Silent: n.Silent}
		if !n.Silent {
			one.jsonFigures = &jsonFigures{n.Keys, n.Copies, n.Bytes, n.MaxBytes, n.Moving, n.Moved, n.Conflicts}
		}
		nodes = append(nodes, one)
	}
	return jsonRing{r.Replicas, r.Slots, r.Node, nodes}
}
