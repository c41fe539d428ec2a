package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/disk"
)

const (
	victimVar    = "DISK_VICTIM" // the folder of a process to be killed
	victimWrites = 100_000
	victims      = 64 // callers
)

// TestKilled kills a process in the middle of 100,000 writes. Each that it acknowledged is
// there, with its version.
func TestKilled(t *testing.T) {
	if path := os.Getenv(victimVar); path != "" {
		victim(t, path)
		return
	}
	path := t.TempDir()
	acked := killVictim(t, path)
	s := open(t, path, disk.Options{})
	defer closeStore(t, s)
	last := uint64(0)
	for key, version := range acked {
		item, err := s.Get(t.Context(), "ns", key)
		if err != nil || item.Version != version || string(item.Value) != key {
			t.Fatalf("Get(%q): got %+v, %v, want version %d", key, item, err, version)
		}
		last = max(last, version)
	}
	if n := s.Stats().Items; n < int64(len(acked)) || n > int64(len(acked)+victims) {
		t.Errorf("%d items are counted, %d were acknowledged by %d callers", n, len(acked), victims)
	}
	if version := mustPut(t, s, "ns", store.Write{Key: "next"}); version <= last {
		t.Errorf("version %d follows %d", version, last)
	}
	t.Logf("%d writes were acknowledged", len(acked))
}

// killVictim kills a process after half of its writes, and returns what it acknowledged.
func killVictim(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), victimVar+"="+path)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := make(map[string]uint64)
	var b [16]byte
	for {
		_, err := io.ReadFull(out, b[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		acked[victimKey(binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:]))] = binary.BigEndian.Uint64(b[8:])
		if len(acked) == victimWrites/2 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if len(acked) < victimWrites/2 || len(acked) >= victimWrites {
		t.Fatalf("%d writes of %d were acknowledged:\n%s", len(acked), victimWrites, said.String())
	}
	return acked
}

func victimKey(caller, i uint32) string { return fmt.Sprintf("%d/%d", caller, i) }

// victim writes and says what was acknowledged, each in one piece.
func victim(t *testing.T, path string) {
	t.Helper()
	s := open(t, path, disk.Options{})
	var group sync.WaitGroup
	for caller := range uint32(victims) {
		group.Go(func() {
			for i := range uint32(victimWrites / victims) {
				key := victimKey(caller, i)
				version, err := s.Put(t.Context(), "ns", store.Write{Key: key, Value: []byte(key)})
				if err != nil {
					t.Error(err)
					return
				}
				b := binary.BigEndian.AppendUint32(nil, caller)
				b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, i), version)
				if _, err := os.Stdout.Write(b); err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	os.Exit(3) // it should have been killed
}
