package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"
	"google.golang.org/grpc"

	"github.com/micro/platform/internal/backup"
	"github.com/micro/platform/internal/host"
	operationspb "github.com/micro/platform/proto/micro/operations/v1"
)

const flagReplace = "replace"

const backupHelp = `Writes what a service keeps on its own machine to FILE, or to stdout if that is -, while
the service goes on. Every write that was answered before is in it. What a service has on
a server that its settings name is in the backups of that server.

  platform backup kv-srv kv.tar
  platform restore kv-srv kv.tar

FILE is a tar archive with its checksums. It is there once it is whole, and is as secret
as what the service keeps.

` + exitHelp

const restoreHelp = `Makes of a backup what a service keeps, below PLATFORM_DATA. The service must not run.
Where there is data already, --replace puts the backup in its place.

` + exitHelp

func (a *app) backup() *cli.Command {
	return &cli.Command{
		Name: "backup", Usage: "copy what a running service keeps to a file", ArgsUsage: "SERVICE FILE", Description: backupHelp,
		ShellComplete: complete(names(a.services), 1),
		Flags:         []cli.Flag{addressFlag()},
		Action:        a.runBackup,
	}
}

func (a *app) restore() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "make of a backup what a stopped service keeps", ArgsUsage: "SERVICE FILE", Description: restoreHelp,
		ShellComplete: complete(names(a.services), 1),
		Flags:         []cli.Flag{&cli.BoolFlag{Name: flagReplace, HideDefault: true, Usage: "replace the data that is there"}},
		Action:        a.runRestore,
	}
}

func (a *app) runBackup(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, 2, 2)
	if err != nil {
		return err
	}
	if args[1] == "-" && a.stdoutTerminal {
		return usage("a backup is not for a terminal: name a FILE")
	}
	p, err := a.connect(ctx, cmd, args[0])
	if err != nil {
		return err
	}
	defer p.Close()
	write := func(w io.Writer) (backup.Summary, error) { return receive(ctx, p, w) }
	if args[1] == "-" {
		_, err = write(a.out)
		return answered(ctx, cmd, err)
	}
	sum, err := create(args[1], write)
	if err != nil {
		return answered(ctx, cmd, err)
	}
	a.summary(cmd, sum)
	return nil
}

// receive writes the backup of a service, and reads it meanwhile: what ends without an
// error is one.
func receive(ctx context.Context, conn grpc.ClientConnInterface, w io.Writer) (backup.Summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/micro.operations.v1.Operations/Backup")
	if err != nil {
		return backup.Summary{}, err
	}
	if err := stream.SendMsg(&operationspb.BackupRequest{}); err != nil {
		return backup.Summary{}, err
	}
	if err := stream.CloseSend(); err != nil {
		return backup.Summary{}, err
	}
	var part []byte
	all := readerFunc(func(b []byte) (int, error) {
		for len(part) == 0 {
			var rsp operationspb.BackupResponse
			if err := stream.RecvMsg(&rsp); err != nil {
				return 0, err
			}
			part = rsp.GetData()
		}
		n := copy(b, part)
		part = part[n:]
		return n, nil
	})
	in := io.TeeReader(all, w)
	sum, err := backup.Verify(in)
	if err == nil {
		_, err = io.Copy(io.Discard, in) // what fills the last block, and how the call ended
	}
	return sum, err
}

// create makes a file that is not there, which it is once it is written and on disk.
func create(name string, write func(io.Writer) (backup.Summary, error)) (backup.Summary, error) {
	if _, err := os.Lstat(name); err == nil {
		return backup.Summary{}, usage("%s is there already", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*") // of mode 0600
	if errors.Is(err, fs.ErrNotExist) {
		return backup.Summary{}, usage("%v", err)
	}
	if err != nil {
		return backup.Summary{}, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is not there if all went well
	sum, err := write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return backup.Summary{}, err
	}
	return sum, os.Rename(f.Name(), name)
}

func (a *app) runRestore(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, 2, 2)
	if err != nil {
		return err
	}
	i := named(a.services, args[0])
	if i < 0 {
		return usage("no service %q%s", args[0], didYouMean(args[0], names(a.services)))
	}
	from := args[1]
	if from != "-" {
		from = "@" + from
	}
	in, err := a.input(ctx, from)
	if err != nil {
		return err
	}
	defer in.Close()
	sum, err := host.Restore(host.Process{Getenv: a.env(cmd)}, a.services[i], in, cmd.Bool(flagReplace))
	if err != nil {
		return err
	}
	a.summary(cmd, sum)
	return nil
}

// summary prints what a backup holds.
func (a *app) summary(cmd *cli.Command, s backup.Summary) {
	if asJSON(cmd) {
		a.json(struct {
			backup.Head

			Stores []string `json:"stores"`
			Files  int      `json:"files"`
			Bytes  int64    `json:"bytes,string"`
		}{s.Head, s.Stores, s.Files, s.Bytes})
		return
	}
	t := a.table("SERVICE", "TAKEN", "FILES", "BYTES")
	t.row(s.Service, s.Taken.Format(time.RFC3339), fmt.Sprint(s.Files), fmt.Sprint(s.Bytes))
	t.flush()
}
