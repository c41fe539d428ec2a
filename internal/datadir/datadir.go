// Package datadir gives a folder to one process at a time.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gofrs/flock"
)

// Dir is a folder that this process owns until Close or its end.
type Dir struct {
	Path string
	lock *flock.Flock
}

// Open makes the folder, for its owner's eyes alone, and locks it. Another process
// that has it is named in the error.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(path, "LOCK"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	pid := filepath.Join(path, "PID")
	if !ok {
		return nil, fmt.Errorf("%s is in use by process %s: stop it, or set PLATFORM_DATA to another folder", path, owner(pid))
	}
	if err := os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Close gives the folder back.
func (d *Dir) Close() error { return d.lock.Close() }

func owner(pid string) string {
	b, err := os.ReadFile(pid)
	if err != nil || len(b) == 0 {
		return "unknown"
	}
	return string(b)
}
