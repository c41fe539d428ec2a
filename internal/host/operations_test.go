package host_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	merrors "go-micro.dev/v5/errors"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	operationspb "github.com/micro/platform/proto/micro/operations/v1"
)

// keeper is a service that keeps one file.
func keeper(snapshot func(ctx context.Context, dir string) error) host.Service {
	return host.Service{Name: "keeper-srv", Start: func(_ context.Context, h *host.Host) error {
		if _, err := h.DataDir(); err != nil {
			return err
		}
		h.Backup("store", snapshot)
		return nil
	}}
}

func snapshot(content string) func(context.Context, string) error {
	return func(_ context.Context, dir string) error {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o600)
	}
}

// receive returns the archive that a service sends.
func receive(ctx context.Context, p *hosttest.Platform, service string) ([]byte, error) {
	stream, err := operationspb.NewOperationsService(service, p.Client).Backup(ctx, &operationspb.BackupRequest{})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var all []byte
	for {
		rsp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, rsp.GetData()...)
	}
}

// TestBackup: what a service sends becomes what another one keeps.
func TestBackup(t *testing.T) {
	data := t.TempDir()
	left := filepath.Join(data, "keeper-srv", "tmp-left", "by", "a", "killed", "process")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("what is kept ", 1_000_000)
	p := hosttest.Run(t, map[string]string{"PLATFORM_DATA": data}, keeper(snapshot(want)))
	archive, err := receive(t.Context(), p, "keeper-srv")
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, data)

	process := host.Process{Getenv: func(name string) string { return map[string]string{"PLATFORM_DATA": data}[name] }}
	if _, err := host.Restore(process, keeper(nil), bytes.NewReader(archive), true); err == nil || !strings.Contains(err.Error(), "is in use by process") {
		t.Errorf("restored below a service that runs: %v", err)
	}
	data = t.TempDir()
	sum, err := host.Restore(process, keeper(nil), bytes.NewReader(archive), false)
	if err != nil || sum.Service != "keeper-srv" || time.Since(sum.Taken) > time.Hour || sum.Bytes != int64(len(want)) {
		t.Errorf("got %+v, %v", sum, err)
	}
	got, err := os.ReadFile(filepath.Join(data, "keeper-srv", "store", "file"))
	if err != nil || string(got) != want {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
	if _, err := host.Restore(process, keeper(nil), bytes.NewReader(archive), false); !errors.Is(err, backup.ErrThere) {
		t.Errorf("again: %v", err)
	}
}

// wantClean waits until there is no temporary folder.
func wantClean(t *testing.T, data string) {
	t.Helper()
	for late := time.After(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(data, "*", backup.Prefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-late:
			t.Fatalf("%v is left", left)
		default:
		}
	}
}

// TestBackupFails: a stream that is no backup ends with an error.
func TestBackupFails(t *testing.T) {
	data := t.TempDir()
	begun, end := make(chan struct{}), make(chan error)
	p := hosttest.Run(t, map[string]string{"PLATFORM_DATA": data}, keeper(func(ctx context.Context, dir string) error {
		if err := snapshot("half")(ctx, dir); err != nil {
			return err
		}
		begun <- struct{}{}
		select {
		case err := <-end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}), host.Service{Name: "empty-srv", Start: func(context.Context, *host.Host) error { return nil }})

	_, err := receive(t.Context(), p, "empty-srv")
	wantReason(t, err, "operations.nothing_kept")

	first := make(chan error, 1)
	go func() {
		_, err := receive(t.Context(), p, "keeper-srv")
		first <- err
	}()
	<-begun
	_, err = receive(t.Context(), p, "keeper-srv")
	wantReason(t, err, "operations.busy")
	end <- errors.New("the disk is gone")
	wantReason(t, <-first, "internal")
	wantClean(t, data)

	leaver, err := operationspb.NewOperationsService("keeper-srv", p.Client).Backup(t.Context(), &operationspb.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := leaver.Close(); err != nil {
		t.Error(err)
	}
	wantClean(t, data)
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	if e := merrors.FromError(err); err == nil || e.Id != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}
