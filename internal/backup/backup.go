// Package backup writes folders to an archive, and makes folders of one again. An archive
// is a tar (POSIX.1-2001) of backup.json, then of the files, and last of SHA256SUMS, which
// sha256sum -c reads: what has no such end is no backup.
package backup

import (
	"fmt"
	"time"
)

const (
	// Format is that of the archives of this build. One that is newer is refused.
	Format = 1

	headName = "backup.json"
	sumsName = "SHA256SUMS"
	maxHead  = 1 << 20
	maxSums  = 64 << 20 // half a million files
)

// Head is what an archive says of itself.
type Head struct {
	Format  int       `json:"format"`
	Service string    `json:"service"` // "kv-srv"
	Version string    `json:"version"` // of the service
	Taken   time.Time `json:"taken"`
}

// Summary is what an archive holds.
type Summary struct {
	Head

	Stores []string // the folders
	Files  int
	Bytes  int64
}

// Error is why an archive is refused.
type Error struct{ text string }

func (e *Error) Error() string { return "no backup: " + e.text }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }
