package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// every is how long a change of a file may go unseen.
const every = time.Second

// Source gives the TLS configuration of the newest files that can be used.
type Source struct {
	files []string
	load  func() (*tls.Config, *Error)
	log   *slog.Logger

	current atomic.Pointer[tls.Config]
	looked  atomic.Int64 // when the files were looked at last, in ns since began
	began   time.Time

	look sync.Mutex // guards seen
	seen [sha256.Size]byte
}

// Server returns the configurations to answer calls with, or nil without TLS. Each may
// be changed by prepare before anyone sees it.
func (c Config) Server(log *slog.Logger, prepare func(*tls.Config)) (*Source, error) {
	if !c.Serves() {
		return nil, nil //nolint:nilnil // there is nothing to answer with, and nothing wrong
	}
	return open([]string{c.Cert, c.Key, c.ClientCA}, log, func() (*tls.Config, *Error) {
		conf, err := c.server()
		if err == nil {
			prepare(conf)
		}
		return conf, err
	})
}

// Client returns the configurations to call services with, or nil without TLS.
func (c Config) Client(log *slog.Logger) (*Source, error) {
	if !c.Calls() {
		return nil, nil //nolint:nilnil // as above
	}
	files := []string{c.Cert, c.Key, c.CA}
	if c.CA == "system" {
		files = files[:2]
	}
	return open(files, log, c.client)
}

func open(files []string, log *slog.Logger, load func() (*tls.Config, *Error)) (*Source, error) {
	s := &Source{files: files, load: load, log: log, began: time.Now()}
	s.seen = s.sum()
	conf, err := load()
	if err != nil {
		return nil, err
	}
	s.current.Store(conf)
	return s, nil
}

// Config returns what to use for the next connection. Where the files have changed,
// that is what they hold now; where they cannot be used, what they held before.
// Connections that are open stay as they are.
func (s *Source) Config() *tls.Config {
	now := int64(time.Since(s.began))
	if now-s.looked.Load() >= int64(every) && s.look.TryLock() {
		s.looked.Store(now)
		s.again()
		s.look.Unlock()
	}
	return s.current.Load()
}

// again loads files that have changed. They may change while it does, and then it does
// so again the next time.
func (s *Source) again() {
	sum := s.sum()
	if sum == s.seen {
		return
	}
	s.seen = sum
	ctx := context.Background() //nolint:forbidigo // that of no call
	conf, err := s.load()
	if err != nil {
		s.log.ErrorContext(ctx, "the changed TLS files cannot be used: those before stay in use", "error", err)
		return
	}
	s.current.Store(conf)
	s.log.InfoContext(ctx, "the changed TLS files are in use")
}

// sum tells states of the files apart.
func (s *Source) sum() [sha256.Size]byte {
	var all []byte
	for _, file := range s.files {
		b, err := os.ReadFile(file) // one that is away is told by load
		one := sha256.Sum256(b)
		all = append(all, one[:]...)
		if err != nil {
			all = append(all, 1)
		}
	}
	return sha256.Sum256(all)
}
