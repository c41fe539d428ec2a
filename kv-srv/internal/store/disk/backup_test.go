package disk_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

// TestBackup backs up while callers write. The copy has what was answered before, and of
// what came later all up to some version.
func TestBackup(t *testing.T) {
	s := open(t, t.TempDir(), disk.Options{})
	defer closeStore(t, s)
	var w writers
	w.start(t, s, 16)
	for round := range 3 {
		for w.last() < uint64(2000*(round+1)) {
			time.Sleep(time.Millisecond)
		}
		before := w.acknowledged()
		dir := filepath.Join(t.TempDir(), "copy")
		if err := s.Backup(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(t.Context(), dir); err == nil {
			t.Error("a backup overwrites another")
		}
		moved := filepath.Join(t.TempDir(), "moved")
		if err := os.CopyFS(moved, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		wantBackup(t, moved, before)
	}
	w.stop()
}

// writers put keys of their own, each once.
type writers struct {
	group sync.WaitGroup
	ended atomic.Bool
	n     atomic.Uint64
	mu    sync.Mutex
	acked map[string]uint64
}

func (w *writers) start(t *testing.T, s *disk.Store, callers int) {
	w.acked = make(map[string]uint64)
	for caller := range callers {
		w.group.Go(func() {
			for i := 0; !w.ended.Load(); i++ {
				key := fmt.Sprintf("%d/%d", caller, i)
				version, err := s.Put(t.Context(), "ns", store.Write{Key: key, Value: []byte(key)})
				if err != nil {
					t.Error(err)
					return
				}
				w.mu.Lock()
				w.acked[key] = version
				w.mu.Unlock()
				w.n.Add(1)
			}
		})
	}
}

func (w *writers) last() uint64 { return w.n.Load() }

func (w *writers) stop() {
	w.ended.Store(true)
	w.group.Wait()
}

func (w *writers) acknowledged() map[string]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.acked)
}

// wantBackup opens a copy. It has what was acknowledged, and as many items as versions.
func wantBackup(t *testing.T, path string, acked map[string]uint64) {
	t.Helper()
	s := open(t, path, disk.Options{})
	defer closeStore(t, s)
	got := make(map[uint64]bool)
	highest := uint64(0)
	for from := ""; ; {
		page, err := s.List(t.Context(), "ns", store.Query{After: from, Limit: 1000, MaxBytes: 3 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			got[item.Version] = true
			highest = max(highest, item.Version)
			if version := acked[item.Key]; version != 0 && version != item.Version {
				t.Fatalf("%s: version %d, want %d", item.Key, item.Version, version)
			}
			delete(acked, item.Key)
			from = item.Key
		}
		if !page.More {
			break
		}
	}
	if len(acked) > 0 {
		t.Fatalf("%d writes of before the backup are not in it", len(acked))
	}
	for v := highest; v > highest-uint64(len(got)); v-- {
		if !got[v] {
			t.Fatalf("version %d is missing, %d is there: no prefix", v, highest)
		}
	}
	if st := s.Stats(); st.Items != int64(len(got)) {
		t.Errorf("%d items are counted, %d are there", st.Items, len(got))
	}
	if v := mustPut(t, s, "ns", store.Write{Key: "next"}); v <= highest {
		t.Errorf("version %d follows %d", v, highest)
	}
}
