package registrytest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go-micro.dev/v5/registry"
)

func watchTests() []test {
	return []test{
		{"Watch/One", (*suite).watch},
		{"Watch/All", (*suite).watchAll},
		{"Watch/NoName", (*suite).watchNoName},
		{"Watch/Stop", (*suite).watchStop},
	}
}

// watcher is what a registry tells, until stop.
type watcher struct {
	s      *suite
	w      registry.Watcher
	events chan string
	done   chan struct{} // closed to take no more events
	ended  chan error
	seen   []string // that await has read
}

func (s *suite) watcher(r registry.Registry, name string) *watcher {
	s.Helper()
	var opts []registry.WatchOption
	if name != "" {
		opts = append(opts, registry.WatchService(name))
	}
	w, err := r.Watch(opts...)
	if err != nil {
		s.Fatalf("watch: %v", err)
	}
	x := &watcher{s: s, w: w, events: make(chan string), done: make(chan struct{}), ended: make(chan error, 1)}
	go x.read()
	return x
}

func (x *watcher) read() {
	for {
		result, err := x.w.Next()
		if err != nil {
			x.ended <- err
			return
		}
		for _, n := range result.Service.Nodes {
			select {
			case x.events <- verb(result.Action) + " " + result.Service.Name + " " + n.Address:
			case <-x.done:
			}
		}
	}
}

// verb does not tell create from update: not every registry knows.
func verb(action string) string {
	if action == "create" || action == "update" {
		return "put"
	}
	return action
}

// await reads until there is an event.
func (x *watcher) await(want string) {
	x.s.Helper()
	timeout := time.After(x.s.patient)
	for !slices.Contains(x.seen, want) {
		select {
		case got := <-x.events:
			x.seen = append(x.seen, got)
		case err := <-x.ended:
			x.s.Fatalf("the watcher ended with %v", err)
		case <-timeout:
			x.s.Fatalf("waited for %q, saw %q", want, x.seen)
		}
	}
}

// stop returns what the watcher has ended with.
func (x *watcher) stop() error {
	x.s.Helper()
	close(x.done)
	x.w.Stop()
	defer x.w.Stop() // again
	select {
	case err := <-x.ended:
		return err
	case <-time.After(x.s.patient):
		x.s.Fatal("a watcher does not end")
		panic("unreachable")
	}
}

// watch is told of what happens to one service, node by node.
func (s *suite) watch() {
	w := s.watcher(s.reg, s.name)
	other, svc := s.service(s.name+"-other", 1), s.service(s.name, 2)
	s.put(s.reg, other)
	s.put(s.reg, svc)
	w.await("put " + s.name + " 127.0.0.1:8000")
	w.await("put " + s.name + " 127.0.0.1:8001")
	one := *svc
	one.Nodes = svc.Nodes[1:]
	s.drop(s.reg, &one)
	w.await("delete " + s.name + " 127.0.0.1:8001")
	s.drop(s.reg, svc)
	w.await("delete " + s.name + " 127.0.0.1:8000")
	s.drop(s.reg, other)
	for _, event := range w.seen {
		if !strings.Contains(event, " "+s.name+" ") {
			s.Errorf("saw %q of another service", event)
		}
	}
	_ = w.stop()
}

// watchAll is told of services that there were not when it began.
func (s *suite) watchAll() {
	w := s.watcher(s.reg, "")
	svc := s.service(s.name, 1)
	s.put(s.reg, svc)
	w.await("put " + s.name + " 127.0.0.1:8000")
	s.drop(s.reg, svc)
	w.await("delete " + s.name + " 127.0.0.1:8000")
	_ = w.stop()
}

// watchNoName watches what cannot be, and nothing else is the worse for it.
func (s *suite) watchNoName() {
	w := s.watcher(s.reg, "a/../b")
	svc := s.service(s.name, 1)
	s.put(s.reg, svc)
	defer s.drop(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000")
	_ = w.stop()
}

func (s *suite) watchStop() {
	if err := s.watcher(s.reg, s.name).stop(); !errors.Is(err, registry.ErrWatcherStopped) {
		s.Errorf("a watcher ended with %v, want ErrWatcherStopped", err)
	}
}
