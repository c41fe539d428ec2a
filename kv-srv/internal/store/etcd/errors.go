package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/micro/platform/kv-srv/internal/store"
)

// maxRequest is what etcd takes in one request unless it is told otherwise.
const maxRequest = "1.5 MiB, unless --max-request-bytes says otherwise"

// meaning is what an error of etcd means to a caller.
func (s *Store) meaning(ctx context.Context, err error) error {
	where := "etcd at " + strings.Join(s.config.Endpoints, ", ")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return errClosed
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%s: %w: %w", where, store.ErrFull, err)
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return &store.LimitError{Backend: "etcd", Field: "value", Limit: "a request of " + maxRequest}
	case errors.Is(err, rpctypes.ErrCompacted), errors.Is(err, rpctypes.ErrFutureRev):
		return fmt.Errorf("%s: %w: %w", where, store.ErrCompacted, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}
