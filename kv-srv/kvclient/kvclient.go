// Package kvclient stores small values in kv-srv.
package kvclient

import (
	"context"
	"crypto/rand"
	"iter"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/protobuf/types/known/durationpb"

	rpc "github.com/micro/platform/internal/client"
	"github.com/micro/platform/kv-srv/internal/near"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// Service is the name that the service is registered under.
const Service = "kv-srv"

// Client calls the service. Its methods may be called at once. A call ends with its
// context, or after five seconds if that has no deadline.
//
// Calls that may be made twice are tried again, up to two times, when the service
// cannot be reached or a connection breaks. These are all that only read, Touch and
// DeletePrefix, and writes with a request ID, of which the service remembers that it
// did them: Increment and every write with a condition get a random one.
//
// A Put or Delete without a condition is sent once. A second one could undo what
// somebody else wrote in between, and to remember each of them would cost the service
// more than to do them. Who is the only writer of a key just calls again.
type Client struct {
	client    client.Client
	kv        kvpb.KVService
	namespace string
	opts      []client.CallOption
	flights   flights

	near   *near.Cache // nil: none
	follow *follower   // keeps near
}

// Option changes a Client.
type Option func(*Client)

// WithNamespace keeps to the items of one namespace. Without it that is "default".
func WithNamespace(name string) Option { return func(c *Client) { c.namespace = name } }

// WithAddress calls one of some addresses, host:port, instead of asking the registry.
func WithAddress(addresses ...string) Option {
	return func(c *Client) { c.opts = append(c.opts, client.WithAddress(addresses...)) }
}

// New returns a client that calls through c, such as the Client of a micro.Service. It
// does no I/O.
func New(c client.Client, opts ...Option) *Client {
	c = rpc.Protobuf(c)
	kv := &Client{client: c, kv: kvpb.NewKVService(Service, c)}
	for _, o := range opts {
		o(kv)
	}
	if kv.near != nil {
		kv.follow = &follower{}
	}
	return kv
}

// Item is a value and the key it is stored under.
type Item struct {
	Key      string
	Value    []byte
	Version  uint64 // larger with each write
	Updated  time.Time
	Expires  time.Time // zero: never
	Metadata map[string]string
}

// Get returns the item under a key, or ErrNotFound.
func (c *Client) Get(ctx context.Context, key string) (Item, error) {
	if i, ok := c.near.Get(key); ok {
		return Item(i), nil
	}
	asked := c.ask(key)
	rsp, err := c.kv.Get(ctx, &kvpb.GetRequest{Namespace: c.namespace, Key: key}, c.call(ctx, again)...)
	return c.answered(asked, item(rsp.GetItem()), failed(ctx, "get", key, err))
}

// Put stores a value and returns the version of the item. It replaces what was there,
// metadata and time to live included. A condition that does not hold is ErrConflict.
func (c *Client) Put(ctx context.Context, key string, value []byte, opts ...PutOption) (uint64, error) {
	defer c.near.Drop(key)
	req := &kvpb.PutRequest{Namespace: c.namespace, Key: key, Value: value}
	for _, o := range opts {
		o.put(req)
	}
	if req.GetRequestId() == "" && (req.GetIfAbsent() || req.GetIfVersion() != 0) {
		// Otherwise the second try would find the first one's version, a conflict.
		req.RequestId = rand.Text()
	}
	rsp, err := c.kv.Put(ctx, req, c.call(ctx, req.GetRequestId() != "")...)
	if err != nil {
		return 0, failed(ctx, "put", key, err)
	}
	return rsp.GetVersion(), nil
}

// Delete removes an item, or returns ErrNotFound. A condition that does not hold is
// ErrConflict.
func (c *Client) Delete(ctx context.Context, key string, opts ...DeleteOption) error {
	defer c.near.Drop(key)
	req := &kvpb.DeleteRequest{Namespace: c.namespace, Key: key}
	for _, o := range opts {
		o.del(req)
	}
	if req.GetRequestId() == "" && req.GetIfVersion() != 0 {
		// Otherwise the second try would find nothing to delete.
		req.RequestId = rand.Text()
	}
	_, err := c.kv.Delete(ctx, req, c.call(ctx, req.GetRequestId() != "")...)
	return failed(ctx, "delete", key, err)
}

// Increment adds to the decimal number under a key, makes it if there is none, and
// returns the sum.
func (c *Client) Increment(ctx context.Context, key string, delta int64, opts ...IncrementOption) (int64, error) {
	defer c.near.Drop(key)
	req := &kvpb.IncrementRequest{Namespace: c.namespace, Key: key, Delta: delta}
	for _, o := range opts {
		o.increment(req)
	}
	if req.GetRequestId() == "" {
		// Otherwise the second try would add twice.
		req.RequestId = rand.Text()
	}
	rsp, err := c.kv.Increment(ctx, req, c.call(ctx, again)...)
	if err != nil {
		return 0, failed(ctx, "increment", key, err)
	}
	return rsp.GetValue(), nil
}

// Touch lets an item live for ttl from now on, for ever if that is 0, and returns its
// version, or ErrNotFound.
func (c *Client) Touch(ctx context.Context, key string, ttl time.Duration) (uint64, error) {
	defer c.near.Drop(key)
	req := &kvpb.TouchRequest{Namespace: c.namespace, Key: key, Ttl: duration(ttl)}
	rsp, err := c.kv.Touch(ctx, req, c.call(ctx, again)...) // the second one sets what the first one did
	if err != nil {
		return 0, failed(ctx, "touch", key, err)
	}
	return rsp.GetVersion(), nil
}

// List yields the items whose keys begin with prefix, ordered by the bytes of the keys.
// It reads page after page, so writes meanwhile may show or not. An error is the last
// it yields.
func (c *Client) List(ctx context.Context, prefix string, opts ...ListOption) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var l listing
		for _, o := range opts {
			o.list(&l)
		}
		req := &kvpb.ListRequest{Namespace: c.namespace, Prefix: prefix, KeysOnly: l.keysOnly, PageSize: pageSize}
		for first := true; ; first = false {
			rsp, err := c.kv.List(ctx, req, c.call(ctx, again)...)
			if err != nil {
				yield(Item{}, failed(ctx, "list", prefix, err))
				return
			}
			if first && l.version != nil {
				*l.version = rsp.GetVersion()
			}
			for _, i := range rsp.GetItems() {
				c.near.Told(i.GetKey(), i.GetVersion())
				if !yield(item(i), nil) {
					return
				}
			}
			if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
				return
			}
		}
	}
}

// pageSize is the largest there is: a page is bounded by its bytes as well.
const pageSize = 1000

// DeletePrefix removes the items whose keys begin with prefix, which must not be empty,
// and returns how many: if it was tried again, how many were left for the last try.
// Items that are written meanwhile may stay.
func (c *Client) DeletePrefix(ctx context.Context, prefix string) (int64, error) {
	return c.deletePrefix(ctx, &kvpb.DeletePrefixRequest{Prefix: prefix})
}

// DeleteAll removes all items of the namespace, as DeletePrefix does.
func (c *Client) DeleteAll(ctx context.Context) (int64, error) {
	return c.deletePrefix(ctx, &kvpb.DeletePrefixRequest{All: true})
}

func (c *Client) deletePrefix(ctx context.Context, req *kvpb.DeletePrefixRequest) (int64, error) {
	defer c.near.DropPrefix(req.GetPrefix())
	req.Namespace = c.namespace
	rsp, err := c.kv.DeletePrefix(ctx, req, c.call(ctx, again)...) // nobody may rely on what is written meanwhile
	if err != nil {
		return 0, failed(ctx, "delete prefix", req.GetPrefix(), err)
	}
	return rsp.GetDeleted(), nil
}

// again says that a call may be made twice.
const again = true

func (c *Client) call(ctx context.Context, idempotent bool) []client.CallOption {
	return append(rpc.Unary(ctx, idempotent), c.opts...)
}

func item(p *kvpb.Item) Item {
	i := Item{Key: p.GetKey(), Value: p.GetValue(), Version: p.GetVersion(), Metadata: p.GetMetadata()}
	if p.GetUpdateTime() != nil {
		i.Updated = p.GetUpdateTime().AsTime()
	}
	if p.GetExpireTime() != nil {
		i.Expires = p.GetExpireTime().AsTime()
	}
	return i
}

// duration of a time to live; 0 is none.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
