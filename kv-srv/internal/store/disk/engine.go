package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/micro/platform/kv-srv/internal/store"
)

// schema is the version of what stands in keys.go and record.go.
const schema = 1

// What the engine may take of the memory.
const (
	cacheSize    = 8 << 20
	memTableSize = 4 << 20
	memTables    = 4 // one is written to, the others to disk
	openFiles    = 200
	unsorted     = 1000 // tables that a read looks at, where compactions fail, before writes wait
)

// What the engine has in a file, and in the first level that is sorted as a whole. A
// compaction takes that level and what comes from memory, or a file and ten of the next
// level: it has to fit into the reserve.
const (
	fileBytes  = 4 << 20
	levelBytes = 32 << 20
)

// checkSchema refuses a folder of a later version of this package, and one that has
// files but no version.
func checkSchema(fs vfs.FS, path string) error {
	if err := fs.MkdirAll(path, 0o700); err != nil {
		return err
	}
	name := fs.PathJoin(path, "SCHEMA")
	b, err := readFile(fs, name)
	if errors.Is(err, os.ErrNotExist) {
		return writeSchema(fs, path, name)
	}
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(b))
	version, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil || version == 0:
		return fmt.Errorf("%s is damaged: it has %.20q, want the version of the schema", name, text)
	case version > schema:
		return fmt.Errorf("%s says version %d, and this program knows %d at most: run a later one", name, version, schema)
	}
	return nil
}

func writeSchema(fs vfs.FS, path, name string) error {
	files, err := fs.List(path)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f != "SCHEMA.new" {
			return fmt.Errorf("%s is missing, and %s is not empty: restore it, or name an empty folder", name, path)
		}
	}
	if err := writeFile(fs, name+".new", strconv.Itoa(schema)+"\n"); err != nil {
		return err
	}
	if err := fs.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(fs, path)
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, err := f.ReadAt(b, 0)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b[:n], nil
}

func writeFile(fs vfs.FS, name, text string) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(fs vfs.FS, path string) error {
	d, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openEngine opens the files of a store.
func (s *Store) openEngine(path string) (*pebble.DB, error) {
	log := s.opts.Log
	o := &pebble.Options{
		FS:                          s.room,
		FormatMajorVersion:          pebble.FormatWALSyncChunks, // tells a damaged log from one that a crash cut off
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                openFiles,
		LBaseMaxBytes:               levelBytes,
		L0StopWritesThreshold:       unsorted,
		Logger:                      logger{log},
	}
	o.Experimental.FileCacheShards = 1
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].IndexBlockSize = 256 << 10
		o.TargetFileSizes[i] = fileBytes
	}
	o.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			log.Error("kv store works on, and tries again", slog.Any("error", err))
		},
		FlushEnd:      func(info pebble.FlushInfo) { s.flushed(info.Err) },
		CompactionEnd: func(info pebble.CompactionInfo) { s.compacted(info.Err) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("kv store has a damaged file", slog.String("file", info.Path), slog.Any("error", info.Details))
		},
	}
	o.Experimental.CompactionScheduler = newScheduler(s.room)
	return pebble.Open(path, o)
}

// flushed notes how the engine brought a table from memory to disk. While it cannot,
// nothing new is taken: the log has what was acknowledged, and grows.
func (s *Store) flushed(err error) {
	if err == nil {
		s.trouble.Store(nil)
		return
	}
	s.room.flushing.begin(retry)
	if noSpace(err) {
		err = fmt.Errorf("%w: %w", err, store.ErrFull)
	}
	err = fmt.Errorf("what is in memory cannot be written, and is tried again: %w", err)
	s.trouble.Store(&err)
}

func (s *Store) compacted(err error) {
	if err != nil && !errors.Is(err, pebble.ErrCancelledCompaction) {
		s.room.compacting.begin(rested)
	}
}

// logger is what the engine says.
type logger struct{ log *slog.Logger }

// Infof implements pebble.Logger.
func (l logger) Infof(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Fatalf implements pebble.Logger. The engine calls it where going on would lose what
// was acknowledged, and relies on its not returning; the next start reads the log.
func (l logger) Fatalf(format string, args ...any) {
	l.say(slog.LevelError, format, args)
	panic("kv store: " + fmt.Sprintf(format, args...))
}

func (l logger) say(level slog.Level, format string, args []any) {
	switch what := slog.Any("engine", text{format, args}); level {
	case slog.LevelError:
		l.log.Error("kv store", what)
	default:
		l.log.Debug("kv store", what)
	}
}

// text is formatted when somebody reads the log.
type text struct {
	format string
	args   []any
}

// LogValue implements slog.LogValuer.
func (t text) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(t.format, t.args...)) }

// number reads a number, 0 where there is none.
func (s *Store) number(key []byte) (uint64, error) {
	b, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(b) != 8 {
		return 0, errRecord
	}
	return binary.BigEndian.Uint64(b), nil
}

func encode(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
