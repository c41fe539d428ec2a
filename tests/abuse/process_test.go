package abuse_test

import (
	"context"

	"github.com/micro/platform/internal/host"
)

// keeper is a service that has a data folder.
func keeper() host.Service {
	return host.Service{Name: "keeper-srv", Port: 0, Start: func(_ context.Context, h *host.Host) error {
		_, err := h.DataDir()
		return err
	}}
}
