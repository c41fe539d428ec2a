package registrytest

import "time"

// short is a TTL that each registry has.
const short = 2 * time.Second

func ttlTests() []test {
	return []test{
		{"TTL/Ended", (*suite).expire},
		{"TTL/Told", (*suite).told},
		{"TTL/NotRenewed", (*suite).notRenewed},
		{"TTL/Changed", (*suite).changed},
	}
}

// expire ends a process; what another one renews stays.
func (s *suite) expire() {
	other := s.open()
	svc, kept := s.service(s.name, 1), s.service(s.name+"-kept", 1)
	s.putFor(s.reg, svc, short)
	s.await(other, s.name, "127.0.0.1:8000")
	begun := time.Now()
	s.kill(s.reg)
	ticker := time.NewTicker(short / 10)
	defer ticker.Stop()
	for len(s.addresses(other, s.name)) > 0 {
		s.putFor(other, kept, short)
		if <-ticker.C; time.Since(begun) > s.patient {
			s.Fatalf("it is still there after %v", s.patient)
		}
	}
	s.Logf("gone after %v", time.Since(begun).Round(100*time.Millisecond))
	s.await(other, kept.Name, "127.0.0.1:8000")
	s.drop(other, kept)
}

// told is who watches what is lost.
func (s *suite) told() {
	other := s.open()
	w := s.watcher(other, s.name)
	s.putFor(s.reg, s.service(s.name, 1), short)
	w.await("put " + s.name + " 127.0.0.1:8000")
	s.kill(s.reg)
	w.await("delete " + s.name + " 127.0.0.1:8000")
	_ = w.stop()
}

// notRenewed is not registered again by a process that goes on.
func (s *suite) notRenewed() {
	svc := s.service(s.name, 1)
	s.putFor(s.reg, svc, short)
	defer s.drop(s.reg, svc)
	s.await(s.reg, s.name, "127.0.0.1:8000")
	s.await(s.reg, s.name)
}

// changed is a node that is registered again and again after a change: it stays.
func (s *suite) changed() {
	svc := s.service(s.name, 1)
	s.putFor(s.reg, svc, short)
	s.await(s.reg, s.name, "127.0.0.1:8000")
	svc = s.service(s.name, 1)
	svc.Nodes[0].Metadata["color"] = "blue"
	defer s.drop(s.reg, svc)
	ticker := time.NewTicker(short / 10)
	defer ticker.Stop()
	lost := 0
	var got []string
	for end := time.Now().Add(2*short + time.Second); time.Now().Before(end); <-ticker.C {
		s.putFor(s.reg, svc, short)
		if got = s.addresses(s.reg, s.name); len(got) == 0 {
			lost++
		}
	}
	if lost > 0 {
		s.Errorf("renewed, but not found %d times, at last %v", lost, got)
	}
}
