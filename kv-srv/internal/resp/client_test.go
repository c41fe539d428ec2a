package resp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// client returns go-redis for an address, of either protocol.
func client(t *testing.T, address string, protocol int, change func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{Addr: address, Protocol: protocol, ClientName: "test", ContextTimeoutEnabled: true}
	if change != nil {
		change(o)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// each runs a test with go-redis over both protocols.
func each(t *testing.T, test func(t *testing.T, c *redis.Client)) {
	t.Helper()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) { test(t, client(t, listen(t), protocol, nil)) })
	}
}

// must complains about an error, and about another value.
func must[T any](t *testing.T, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestGoRedis(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		ctx := t.Context()
		binary := string([]byte{0, 1, 255, '\r', '\n', 0x80})
		must(t, "PONG")(c.Ping(ctx).Result())
		must(t, "hello")(c.Echo(ctx, "hello").Result())
		must(t, "OK")(c.Set(ctx, "a", binary, time.Minute).Result())
		must(t, binary)(c.Get(ctx, "a").Result())
		if _, err := c.Get(ctx, "none").Result(); !errors.Is(err, redis.Nil) {
			t.Errorf("got %v, want redis.Nil", err)
		}
		must(t, time.Minute)(c.TTL(ctx, "a").Result())
		if ttl, err := c.PTTL(ctx, "a").Result(); err != nil || ttl > time.Minute || ttl < time.Second {
			t.Errorf("got %v, %v", ttl, err)
		}
		must(t, false)(c.SetNX(ctx, "a", "x", 0).Result())
		must(t, true)(c.SetXX(ctx, "a", "x", redis.KeepTTL).Result())
		must(t, time.Minute)(c.TTL(ctx, "a").Result())
		must(t, "x")(c.SetArgs(ctx, "a", "y", redis.SetArgs{Get: true, Mode: "XX"}).Result())
		must(t, time.Duration(-1))(c.TTL(ctx, "a").Result())
		must(t, true)(c.Expire(ctx, "a", time.Hour).Result())
		must(t, true)(c.PExpire(ctx, "a", 90*time.Minute).Result())
		must(t, 90*time.Minute)(c.TTL(ctx, "a").Result())
		must(t, true)(c.Persist(ctx, "a").Result())
		must(t, "OK")(c.MSet(ctx, "b", 1, "c", 2).Result())
		must(t, []any{"y", nil, "2"})(c.MGet(ctx, "a", "none", "c").Result())
		must(t, int64(3))(c.Exists(ctx, "a", "b", "c", "d").Result())
		must(t, int64(2))(c.Incr(ctx, "b").Result())
		must(t, int64(12))(c.IncrBy(ctx, "b", 10).Result())
		must(t, int64(11))(c.Decr(ctx, "b").Result())
		must(t, int64(1))(c.DecrBy(ctx, "b", 10).Result())
		must(t, "string")(c.Type(ctx, "b").Result())
		must(t, int64(3))(c.DBSize(ctx).Result())
		must(t, int64(2))(c.Del(ctx, "a", "b", "none").Result())
		must(t, map[string]string{"save": "", "appendonly": "no"})(mergeConfig(ctx, c, "save", "appendonly"))
		must(t, "test")(c.ClientGetName(ctx).Result())
		info, err := c.Info(ctx).Result()
		if err != nil || !strings.Contains(info, "server_name:kv-srv") {
			t.Errorf("got %q, %v", info, err)
		}
		commands, err := c.Command(ctx).Result()
		if set := commands["set"]; err != nil || set == nil || set.Arity != -3 || set.ReadOnly || !commands["get"].ReadOnly || commands["mset"].StepCount != 2 {
			t.Errorf("got %v, %v", set, err)
		}
		if err := c.Do(ctx, "LPUSH", "l", "x").Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR unknown command 'LPUSH'") {
			t.Errorf("got %v", err)
		}
	})
}

func mergeConfig(ctx context.Context, c *redis.Client, names ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, name := range names {
		one, err := c.ConfigGet(ctx, name).Result()
		if err != nil {
			return nil, err
		}
		maps.Copy(all, one)
	}
	return all, nil
}

// TestScan: every key once, over as many connections as there are, and none of others.
func TestScan(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		ctx := t.Context()
		want := map[string][]string{}
		pipe := c.Pipeline()
		for i := range 2500 {
			key := fmt.Sprintf("k%d:%04d", i%3, i)
			pipe.Set(ctx, key, i, 0)
			want["*"] = append(want["*"], key)
			if i%3 == 1 {
				want["k1:*"] = append(want["k1:*"], key)
			}
			if i%10 == 7 {
				want["k?:*7"] = append(want["k?:*7"], key)
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		for pattern, keys := range want {
			for _, count := range []int64{7, 1000, 100000} {
				var got []string
				cursor := uint64(0)
				for first := true; first || cursor != 0; first = false {
					var page []string
					var err error
					if page, cursor, err = c.Scan(ctx, cursor, pattern, count).Result(); err != nil {
						t.Fatal(err)
					}
					got = append(got, page...)
				}
				slices.Sort(keys)
				if diff := cmp.Diff(keys, got); diff != "" { // in their order, as List has it
					t.Errorf("%s by %d (-want +got):\n%s", pattern, count, diff)
				}
			}
		}
		if _, cursor, err := c.Scan(ctx, 0, "k*", 10).Result(); err != nil || cursor == 0 {
			t.Errorf("got %d, %v", cursor, err)
		} else if err := c.Scan(ctx, cursor, "other*", 10).Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR invalid cursor") {
			t.Errorf("with another pattern: got %v", err)
		}
		if err := c.Scan(ctx, 12345, "*", 10).Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR invalid cursor") {
			t.Errorf("with a number of nobody: got %v", err)
		}
	})
}

// TestPipeline: many commands at once have their answers in their order, errors among them.
func TestPipeline(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		ctx := t.Context()
		const n = 5000
		pipe := c.Pipeline()
		var sums []*redis.IntCmd
		var wrong []*redis.Cmd
		for range n {
			sums = append(sums, pipe.Incr(ctx, "n"))
			wrong = append(wrong, pipe.Do(ctx, "INCRBY", "n", "x"))
		}
		if _, err := pipe.Exec(ctx); err == nil {
			t.Error("no error of those that are wrong")
		}
		for i := range n {
			if sums[i].Val() != int64(i+1) || wrong[i].Err() == nil {
				t.Fatalf("%d: got %v, %v", i, sums[i], wrong[i])
			}
		}
	})
}

// TestExchange: of many who write at once with a condition, each reads what another one has
// written, and XX makes nothing.
func TestExchange(t *testing.T) {
	c := client(t, listen(t), 3, nil)
	ctx := t.Context()
	must(t, "OK")(c.Set(ctx, "k", "first", 0).Result())
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 100 {
				old, err := c.SetArgs(ctx, "k", fmt.Sprint(i, " ", j), redis.SetArgs{Get: true, Mode: "XX"}).Result()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[old]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	last, err := c.GetDel(ctx, "k").Result()
	seen[last]++
	if err != nil || len(seen) != 401 {
		t.Errorf("%d values, error %v", len(seen), err)
	}
	must(t, false)(c.SetXX(ctx, "k", "x", 0).Result())
	must(t, int64(0))(c.Exists(ctx, "k").Result())
}

// TestTogether: it is one store, with one chain around it.
func TestTogether(t *testing.T) {
	p := platform(t)
	c, kv := client(t, p.Door("kv-srv", "resp"), 2, func(o *redis.Options) { o.DB = 5 }), kvpb.NewKVService("kv-srv", p.Client)
	must(t, "OK")(c.Set(t.Context(), "a", "1", 0).Result())
	rsp, err := kv.Get(t.Context(), &kvpb.GetRequest{Namespace: "5", Key: "a"})
	if err != nil || string(rsp.GetItem().GetValue()) != "1" {
		t.Errorf("got %v, %v", rsp, err)
	}
	if _, err := kv.Put(t.Context(), &kvpb.PutRequest{Namespace: "5", Key: "b", Value: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	must(t, "2")(c.Get(t.Context(), "b").Result())
	if _, err := c.Get(t.Context(), "none").Result(); !errors.Is(err, redis.Nil) {
		t.Errorf("got %v", err)
	}
	metrics := get(t, "http://"+p.Address("kv-srv")+"/metrics")
	for _, want := range []string{
		`rpc_server_requests_total{code="ok",endpoint="KV.Put",protocol="resp"} 1`,
		`rpc_server_requests_total{code="ok",endpoint="KV.Get",protocol="resp"} 1`,
		`rpc_server_requests_total{code="not_found",endpoint="KV.Get",protocol="resp"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// TestFull: what there is no room for is refused as Redis refuses it, and the rest goes on.
func TestFull(t *testing.T) {
	c := client(t, listen(t, "KV_QUOTAS", "*=keys:2"), 3, func(o *redis.Options) { o.MaxRetries = -1 })
	ctx := t.Context()
	must(t, "OK")(c.MSet(ctx, "a", 1, "b", 2).Result())
	for name, err := range map[string]error{"SET": c.Set(ctx, "c", 3, 0).Err(), "INCR": c.Incr(ctx, "d").Err(), "MSET": c.MSet(ctx, "a", 2, "e", 4).Err()} {
		if err == nil || !strings.HasPrefix(err.Error(), "OOM ") {
			t.Errorf("%s: got %v, want OOM", name, err)
		}
		if name == "MSET" && !strings.HasSuffix(err.Error(), "(of 2 keys, 1 were not written)") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	must(t, []any{"2", "2", nil})(c.MGet(ctx, "a", "b", "e").Result())
}

// TestTooMuch: what does not fit into an answer is no answer in part.
func TestTooMuch(t *testing.T) {
	c := client(t, listen(t), 2, nil)
	ctx := t.Context()
	var keys []string
	for i := range 4 {
		keys = append(keys, fmt.Sprint(i))
		must(t, "OK")(c.Set(ctx, keys[i], strings.Repeat("x", 1<<20), 0).Result())
	}
	if err := c.MGet(ctx, keys...).Err(); err == nil || !strings.Contains(err.Error(), "3 MiB") {
		t.Errorf("got %v", err)
	}
	must(t, int64(4))(c.Exists(ctx, keys...).Result())
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint("k", i)
	}
	for name, err := range map[string]error{"MGET": c.MGet(ctx, many...).Err(), "DEL": c.Del(ctx, many...).Err(), "EXISTS": c.Exists(ctx, many...).Err()} {
		if err == nil || !strings.HasPrefix(err.Error(), "ERR keys: 1001 of them, want 1 to 1000") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
