package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
)

// Backup copies the store as it is into a folder that is not there yet, while it is
// written to. The copy has every write that was answered before Backup began, and of the
// later ones all up to some version. On the same file system most of it is links, which
// take no room until the store has written its files anew. Files that are replaced stay
// until Backup ends. Open opens the copy, wherever it is moved to. After an error the
// folder is gone again; ctx is looked at before and after, not in between.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := errors.Join(ctx.Err(), s.Ready(ctx)); err != nil {
		return err
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errors.New("back up: the store is closed")
	}
	if err := s.copyTo(dir); err != nil {
		return fmt.Errorf("back up to %s: %w", dir, damaged(err))
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, s.room.RemoveAll(dir))
	}
	return nil
}

func (s *Store) copyTo(dir string) error {
	if _, err := s.room.Stat(dir); err == nil {
		return os.ErrExist
	}
	parent := s.room.PathDir(dir)
	if err := s.room.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	unfinished := dir + ".unfinished"
	err := s.room.RemoveAll(unfinished)
	if err == nil {
		err = s.db.Checkpoint(unfinished, pebble.WithFlushedWAL())
	}
	if err == nil {
		err = writeFile(s.room, s.room.PathJoin(unfinished, "SCHEMA"), strconv.Itoa(schema)+"\n")
	}
	if err == nil {
		err = syncDir(s.room, unfinished)
	}
	if err == nil {
		err = s.room.Rename(unfinished, dir)
	}
	if err != nil {
		return errors.Join(err, s.room.RemoveAll(unfinished))
	}
	return syncDir(s.room, parent)
}
