// Command server is what connectconformance tests: a service of the platform, hosted
// and registered as any other.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/host"
	conformancepb "github.com/micro/platform/tests/conformance/internal/connectrpc/conformance/v1"
)

func main() { os.Exit(serve()) }

func serve() int {
	ctx, stop := host.Interruptible(context.Background())
	defer stop()
	err := run(ctx, os.Stdin, os.Stdout)
	if err == nil {
		fmt.Fprintln(os.Stderr, "stopped") // what the test counts: connectconformance looks at no exit code
	}
	return host.ExitCode(os.Stderr, err)
}

// run serves what in asks for, and tells out where, until ctx is done.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	asked := &conformancepb.ServerCompatRequest{}
	if err := read(in, asked); err != nil {
		return fmt.Errorf("read what to serve: %w", err)
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder of the system's
	env, err := settings(asked, dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = host.Run(ctx, host.Process{
		Getenv:   func(name string) string { return env[name] },
		Stderr:   os.Stderr,
		Registry: registry.NewMemoryRegistry(),
		Started: func(all []host.Running) {
			if err := tell(out, all[0].Address, asked.GetServerCreds().GetCert()); err != nil {
				cancel(fmt.Errorf("tell the address: %w", err))
			}
		},
	}, service())
	if why := context.Cause(ctx); !errors.Is(why, context.Canceled) {
		return errors.Join(why, err)
	}
	return err
}

func service() host.Service {
	return host.Service{Name: "conformance-srv", Start: func(_ context.Context, h *host.Host) error {
		return conformancepb.RegisterConformanceServiceHandler(h.Server(), handler{})
	}}
}

// settings returns the environment of a service that serves as asked, with its keys in
// dir.
func settings(asked *conformancepb.ServerCompatRequest, dir string) (map[string]string, error) {
	env := map[string]string{
		"CONFORMANCE_ADDRESS": "127.0.0.1:0", "PLATFORM_LOG": "error", "PLATFORM_DRAIN": "3s",
		"PLATFORM_COMPRESS_MIN": "1", // the suite's messages are small
	}
	if n := asked.GetMessageReceiveLimit(); n > 0 {
		env["PLATFORM_MAX_MESSAGE"] = fmt.Sprint(n)
	}
	if !asked.GetUseTls() {
		return env, nil
	}
	creds := asked.GetServerCreds()
	for name, pem := range map[string][]byte{
		"PLATFORM_TLS_CERT": creds.GetCert(), "PLATFORM_TLS_KEY": creds.GetKey(), "PLATFORM_TLS_CLIENT_CA": asked.GetClientTlsCert(),
	} {
		if len(pem) == 0 {
			continue
		}
		env[name] = filepath.Join(dir, name)
		if err := os.WriteFile(env[name], pem, 0o600); err != nil {
			return nil, err
		}
	}
	return env, nil
}

func tell(out io.Writer, address string, cert []byte) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return write(out, &conformancepb.ServerCompatResponse{Host: at.Addr().String(), Port: uint32(at.Port()), PemCert: cert})
}

// read reads a message after its size in four bytes.
func read(r io.Reader, m proto.Message) error {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return proto.Unmarshal(b, m)
}

// write writes a message after its size in four bytes.
func write(w io.Writer, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}
