package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // how Redis names scripts
	_ "embed"
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

// The scripts, each of which does all of its work at one moment.
var (
	//go:embed lua/common.lua
	luaCommon string
	//go:embed lua/begin.lua
	luaBegin string
	//go:embed lua/delete.lua
	luaDelete string
	//go:embed lua/deleteprefix.lua
	luaDeletePrefix string
	//go:embed lua/expire.lua
	luaExpire string
	//go:embed lua/increment.lua
	luaIncrement string
	//go:embed lua/list.lua
	luaList string
	//go:embed lua/put.lua
	luaPut string
	//go:embed lua/touch.lua
	luaTouch string
)

// script is a script by its name in Redis.
type script struct{ source, sum string }

func newScript(source string) script {
	source = luaCommon + source
	sum := sha1.Sum([]byte(source)) //nolint:gosec // how Redis names scripts
	return script{source, hex.EncodeToString(sum[:])}
}

type scripts struct {
	begin, del, deletePrefix, expire, increment, list, put, touch script
}

func newScripts() scripts {
	return scripts{
		begin: newScript(luaBegin), del: newScript(luaDelete), deletePrefix: newScript(luaDeletePrefix),
		expire: newScript(luaExpire), increment: newScript(luaIncrement), list: newScript(luaList),
		put: newScript(luaPut), touch: newScript(luaTouch),
	}
}

// once is a command that the client does not send a second time by itself: nobody knows
// whether Redis has done it when a connection breaks.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// run runs a script in a namespace. Redis gets its source when it does not know it.
func (s *Store) run(ctx context.Context, sc script, namespace string, args ...any) (any, error) {
	ctx, cancel, err := hurry(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	answer, err := s.eval(ctx, "evalsha", sc.sum, namespace, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, err = s.eval(ctx, "eval", sc.source, namespace, args)
	}
	return answer, err
}

func (s *Store) eval(ctx context.Context, command, what, namespace string, args []any) (any, error) {
	all := make([]any, 0, 4+len(args))
	all = append(all, command, what, 1, root(namespace))
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	cmd.SetFirstKeyPos(3)
	if err := s.client.Process(ctx, once{cmd}); err != nil {
		return nil, err
	}
	return cmd.Val(), nil
}
