package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/redis/go-redis/v9"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// items are values of 100 bytes, through one client.
type items struct {
	get, put func(ctx context.Context, key string) error
	getAll   func(ctx context.Context, keys []string) error // in one request; nil if there is none
	close    func() error
}

// The keys that are read and written. There are more of them than callers, so that no two
// write the same at once.
func itemKeys() []string {
	keys := make([]string, 256)
	for i := range keys {
		keys[i] = fmt.Sprintf("bench/%d", i)
	}
	return keys
}

func value() []byte { return []byte(strings.Repeat("v", 100)) }

// want complains about a value that was got.
func want(got int) error {
	if got != len(value()) {
		return fmt.Errorf("got %d bytes, want %d", got, len(value()))
	}
	return nil
}

func dialRedis(u *url.URL) (items, error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return items{}, err
	}
	o.PoolSize = 64
	c := redis.NewClient(o)
	v := value()
	return items{
		get: func(ctx context.Context, key string) error {
			b, err := c.Get(ctx, key).Bytes()
			if err != nil {
				return err
			}
			return want(len(b))
		},
		put: func(ctx context.Context, key string) error { return c.Set(ctx, key, v, 0).Err() },
		getAll: func(ctx context.Context, keys []string) error {
			all, err := c.MGet(ctx, keys...).Result()
			if err != nil {
				return err
			}
			for _, one := range all {
				text, _ := one.(string)
				if err := want(len(text)); err != nil {
					return err
				}
			}
			return nil
		},
		close: c.Close,
	}, nil
}

func dialEtcd(u *url.URL) (items, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(u.Host, ","), DialTimeout: 5 * time.Second})
	if err != nil {
		return items{}, err
	}
	v := string(value())
	return items{
		get: func(ctx context.Context, key string) error {
			rsp, err := c.Get(ctx, key)
			if err != nil {
				return err
			}
			if len(rsp.Kvs) != 1 {
				return fmt.Errorf("got %d values, want 1", len(rsp.Kvs))
			}
			return want(len(rsp.Kvs[0].Value))
		},
		put:   func(ctx context.Context, key string) error { _, err := c.Put(ctx, key, v); return err },
		close: c.Close,
	}, nil
}

func dialMemcached(u *url.URL) (items, error) {
	c := memcache.New(strings.Split(u.Host, ",")...)
	c.Timeout, c.MaxIdleConns = 5*time.Second, 64
	v := value()
	return items{
		get: func(_ context.Context, key string) error {
			item, err := c.Get(key)
			if err != nil {
				return err
			}
			return want(len(item.Value))
		},
		put:   func(_ context.Context, key string) error { return c.Set(&memcache.Item{Key: key, Value: v}) },
		close: c.Close,
	}, nil
}

// dialKV calls kv-srv by gRPC.
func dialKV(c *grpc.ClientConn) items {
	v := value()
	return items{
		get: func(ctx context.Context, key string) error {
			var rsp kvpb.GetResponse
			if err := c.Invoke(ctx, "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: key}, &rsp); err != nil {
				return err
			}
			return want(len(rsp.GetItem().GetValue()))
		},
		put: func(ctx context.Context, key string) error {
			return c.Invoke(ctx, "/micro.kv.v1.KV/Put", &kvpb.PutRequest{Key: key, Value: v}, new(kvpb.PutResponse))
		},
		getAll: func(ctx context.Context, keys []string) error {
			var rsp kvpb.BatchGetResponse
			if err := c.Invoke(ctx, "/micro.kv.v1.KV/BatchGet", &kvpb.BatchGetRequest{Keys: keys}, &rsp); err != nil {
				return err
			}
			if len(rsp.GetResults()) != len(keys) {
				return fmt.Errorf("got %d results, want %d", len(rsp.GetResults()), len(keys))
			}
			for _, r := range rsp.GetResults() {
				if err := want(len(r.GetItem().GetValue())); err != nil {
					return err
				}
			}
			return nil
		},
		close: c.Close,
	}
}

// spread does one call after the other by the next of all.
func spread(all []items) items {
	var n atomic.Uint64
	next := func() items { return all[n.Add(1)%uint64(len(all))] }
	return items{
		get: func(ctx context.Context, key string) error { return next().get(ctx, key) },
		put: func(ctx context.Context, key string) error { return next().put(ctx, key) },
		close: func() error {
			var errs []error
			for _, one := range all {
				errs = append(errs, one.close())
			}
			return errors.Join(errs...)
		},
	}
}

// operation is what is done with items.
type operation struct {
	name string
	of   func(items) caller
}

// batch is how many items one request gets.
const batch = 100

func gets() operation {
	return operation{"Get", func(i items) caller { return eachKey(i.get) }}
}

func puts() operation {
	return operation{"Put", func(i items) caller { return eachKey(i.put) }}
}

func batchGets() operation {
	return operation{"BatchGet", func(i items) caller {
		keys := itemKeys()[:batch]
		return func(ctx context.Context) error { return i.getAll(ctx, keys) }
	}}
}

// eachKey takes one key after the other.
func eachKey(f func(context.Context, string) error) caller {
	var n atomic.Uint64
	keys := itemKeys()
	return func(ctx context.Context) error { return f(ctx, keys[n.Add(1)%uint64(len(keys))]) }
}

// onKV does an operation by kv-srv, and bare by the client of a backend. The items are
// there when they return.
func onKV(o operation) dialer {
	return func(address string, secure *tls.Config) (caller, func(), error) {
		c, err := dialGRPC(address, secure)
		if err != nil {
			return nil, nil, err
		}
		return dialKV(c).stocked(o)
	}
}

func bare(b backend, where *url.URL, o operation) dialer {
	return func(string, *tls.Config) (caller, func(), error) {
		i, err := b.dial(where)
		if err != nil {
			return nil, nil, err
		}
		return i.stocked(o)
	}
}

func (i items) stocked(o operation) (caller, func(), error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	hangUp := func() { _ = i.close() }
	for _, key := range itemKeys() {
		if err := i.put(ctx, key); err != nil {
			hangUp()
			return nil, nil, err
		}
	}
	return o.of(i), hangUp, nil
}
