package chain

import (
	"context"

	"go-micro.dev/v5/server"

	"github.com/micro/platform/internal/call"
	"github.com/micro/platform/internal/resource"
)

type authorizer = func(context.Context, *call.Call, []resource.Resource) (context.Context, error)

func authorize(may authorizer, find *resource.Finder) server.HandlerWrapper {
	return func(next server.HandlerFunc) server.HandlerFunc {
		if may == nil {
			return next
		}
		return func(ctx context.Context, req server.Request, rsp any) error {
			c := call.FromContext(ctx)
			if st, ok := rsp.(server.Stream); ok {
				return next(ctx, req, &firstMessage{Stream: st, see: func(msg any) error {
					_, err := may(ctx, c, touched(find, msg))
					return err
				}})
			}
			ctx, err := may(ctx, c, touched(find, req.Body()))
			if err != nil {
				return err
			}
			return next(ctx, req, rsp)
		}
	}
}
