package host_test

import (
	"context"
	"strings"
	"testing"

	merrors "go-micro.dev/v5/errors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/internal/host/hosttest"
	operationspb "github.com/micro/platform/proto/micro/operations/v1"
)

// TestBackupStalled: who does not read a backup holds neither its turn nor its files.
func TestBackupStalled(t *testing.T) {
	data := t.TempDir()
	p := hosttest.Run(t, map[string]string{"PLATFORM_DATA": data, "PLATFORM_WRITE_TIMEOUT": "300ms"}, keeper(snapshot(strings.Repeat("what is kept ", 3_000_000))))
	conn, err := grpc.NewClient("passthrough:"+p.Address("keeper-srv"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithInitialWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, open := range map[string]func(context.Context) error{
		"gRPC": func(ctx context.Context) error {
			st, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/micro.operations.v1.Operations/Backup")
			if err != nil {
				return err
			}
			if err := st.SendMsg(&operationspb.BackupRequest{}); err != nil {
				return err
			}
			return st.RecvMsg(new(operationspb.BackupResponse))
		},
		"go-micro RPC": func(ctx context.Context) error {
			st, err := operationspb.NewOperationsService("keeper-srv", p.Client).Backup(ctx, &operationspb.BackupRequest{})
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = st.Close() })
			_, err = st.Recv()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := open(t.Context()); err != nil { // reads one message alone
				t.Fatal(err)
			}
			_, err := receive(t.Context(), p, "keeper-srv")
			wantReason(t, err, "operations.busy")
			wantClean(t, data)
			for merrors.FromError(err).GetId() == "operations.busy" { // until the handler has gone, too
				_, err = receive(t.Context(), p, "keeper-srv")
			}
			if err != nil {
				t.Error(err)
			}
			wantClean(t, data)
		})
	}
}
