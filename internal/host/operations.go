package host

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/buildinfo"
	"github.com/micro/platform/internal/rpcerr"
	operationspb "github.com/micro/platform/proto/micro/operations/v1"
)

// Backup adds a store, whose folder below DataDir has a name, to the backups of the
// service. snapshot makes a copy in a folder of DataDir that is not there yet: of all
// that was answered before, and of what comes up to some moment.
func (h *Host) Backup(name string, snapshot func(ctx context.Context, dir string) error) {
	h.backups = append(h.backups, backedUp{name, snapshot})
}

type backedUp struct {
	name     string
	snapshot func(ctx context.Context, dir string) error
}

// operations implements operationspb.OperationsHandler.
type operations struct {
	host *Host
	turn chan struct{} // holds one
}

// partSize is that of BackupResponse.Data.
const partSize = 256 << 10

func (o *operations) Backup(ctx context.Context, _ *operationspb.BackupRequest, stream operationspb.Operations_BackupStream) error {
	h := o.host
	if len(h.backups) == 0 {
		return rpcerr.New(codes.Unimplemented, "operations.nothing_kept",
			"%s keeps nothing on its own machine: what is in memory ends with it, and servers have backups of their own", h.Name)
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	default:
		return rpcerr.New(codes.ResourceExhausted, "operations.busy", "another backup of %s is under way", h.Name)
	}
	dir, err := os.MkdirTemp(h.dataDir, backup.Prefix)
	if err != nil {
		return err
	}
	err = h.backUp(ctx, dir, stream)
	return errors.Join(err, os.RemoveAll(dir))
}

func (h *Host) backUp(ctx context.Context, dir string, stream operationspb.Operations_BackupStream) error {
	for _, b := range h.backups {
		if err := b.snapshot(ctx, filepath.Join(dir, b.name)); err != nil {
			return err
		}
	}
	w := bufio.NewWriterSize(sender{stream}, partSize)
	head := backup.Head{Service: h.Name, Version: buildinfo.Version(), Taken: time.Now().UTC()}
	if err := backup.Write(ctx, w, head, dir); err != nil {
		return err
	}
	return w.Flush()
}

// sender writes to a stream. What it gets at once, in parts.
type sender struct {
	stream operationspb.Operations_BackupStream
}

func (s sender) Write(b []byte) (int, error) {
	for n := 0; n < len(b); n += partSize {
		if err := s.stream.Send(&operationspb.BackupResponse{Data: b[n:min(n+partSize, len(b))]}); err != nil {
			return n, err
		}
	}
	return len(b), nil
}
