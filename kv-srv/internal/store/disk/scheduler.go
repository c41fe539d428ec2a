package disk

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler lets the engine do one compaction at a time, and lets time pass after one that
// failed: by itself the engine tries it again at once.
type scheduler struct {
	room *room
	db   pebble.DBForCompaction

	mu      sync.Mutex
	granted *sync.Cond
	busy    bool // there is a compaction
	asked   bool // for another
	asking  bool // the engine is asked whether there is another
	ended   bool
}

var (
	_ pebble.CompactionScheduler   = (*scheduler)(nil)
	_ pebble.CompactionGrantHandle = (*scheduler)(nil)
)

func newScheduler(r *room) *scheduler {
	s := &scheduler{room: r}
	s.granted = sync.NewCond(&s.mu)
	return s
}

// Register implements pebble.CompactionScheduler.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister implements pebble.CompactionScheduler. The engine is not asked afterwards.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for s.asking {
		s.granted.Wait()
	}
}

// TrySchedule implements pebble.CompactionScheduler. The engine is locked.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.busy {
		s.asked = true
		return false, nil
	}
	s.busy = true
	return true, s
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (s *scheduler) UpdateGetAllowedWithoutPermission() {}

// Started implements pebble.CompactionGrantHandle.
func (s *scheduler) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle. Another compaction that the engine has
// asked for begins.
func (s *scheduler) Done() {
	s.room.compacting.wait(s.room.closing)
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.asked && !s.ended {
		s.asked, s.asking = false, true
		s.mu.Unlock() // which the engine locks after itself
		began := s.db.Schedule(s)
		s.mu.Lock()
		s.asking = false
		s.granted.Broadcast()
		if began {
			s.asked = true // there may be more
			return
		}
	}
	s.busy = false
}
