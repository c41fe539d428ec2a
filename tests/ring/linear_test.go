package ring_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	microclient "go-micro.dev/v5/client"

	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/kv-srv/kvclient"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestLinearizable lets callers of all nodes use few keys, and asks whether each call can
// have happened at one moment between its begin and its end.
func TestLinearizable(t *testing.T) {
	interop(t)
	linearizable(newCluster(t, nil, loopback(t, 3)...))
}

func linearizable(c *cluster) {
	const callers, calls = 9, 200
	t := c.t
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		began   = time.Now()
		group   sync.WaitGroup
	)
	for i := range callers {
		address := c.nodes[i%3].address
		mucp, grpc := micro()
		kv := kvpb.NewKVService(kvclient.Service, mucp)
		if i%2 == 0 {
			kv = kvpb.NewKVService(kvclient.Service, grpc)
		}
		group.Go(func() {
			seen := map[string]uint64{}
			for range calls {
				in := next(seen)
				call := time.Since(began)
				out, err := in.call(t.Context(), kv, address)
				end := time.Since(began)
				if err != nil {
					t.Errorf("%+v at %s: %v", in, address, err)
					return
				}
				if out.version != 0 {
					seen[in.key] = out.version
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: i, Input: in, Output: out, Call: int64(call), Return: int64(end)})
				mu.Unlock()
			}
		})
	}
	group.Wait()
	model := model()
	result, info := porcupine.CheckOperationsVerbose(model, history, patient)
	if result == porcupine.Illegal {
		path := filepath.Join(t.ArtifactDir(), "history.html")
		t.Fatal("the calls have no order, see ", path, " (go test -artifacts): ", porcupine.VisualizePath(model, info, path))
	}
	if result == porcupine.Unknown {
		t.Fatalf("no order found and none ruled out within %v", patient)
	}
	c.logf("%d calls have an order", len(history))
}

// input is a call.
type input struct {
	kind    string
	key     string
	value   string // to put
	version uint64 // to replace
}

// output is its answer. A value is what was got, or the sum.
type output struct {
	value   string
	version uint64
	reason  string // of a refusal
}

// next is a call at random, of one who has seen these versions.
func next(seen map[string]uint64) input {
	kinds := []string{"get", "put", "create", "replace", "remove", "increment"}
	in := input{kind: kinds[rand.IntN(len(kinds))], key: fmt.Sprint("linear/", rand.IntN(3)), value: strconv.Itoa(rand.IntN(100))}
	if in.version = seen[in.key]; in.kind == "replace" && in.version == 0 {
		in.kind = "get"
	}
	return in
}

// call makes a call once, and returns an error that is no answer.
func (in input) call(ctx context.Context, kv kvpb.KVService, address string) (output, error) {
	out, err := in.send(ctx, kv, append(client.Unary(ctx, false), microclient.WithAddress(address)))
	if err == nil {
		return out, nil
	}
	e := client.Error(err)
	switch e.Reason {
	case notFound, exists, mismatch:
		return output{reason: e.Reason}, nil
	}
	return output{}, e
}

const (
	notFound = "kv.not_found"
	exists   = "kv.exists"
	mismatch = "kv.version_mismatch"
)

func (in input) send(ctx context.Context, kv kvpb.KVService, opts []microclient.CallOption) (output, error) {
	switch in.kind {
	case "get":
		rsp, err := kv.Get(ctx, &kvpb.GetRequest{Namespace: namespace, Key: in.key}, opts...)
		return output{value: string(rsp.GetItem().GetValue()), version: rsp.GetItem().GetVersion()}, err
	case "put", "create", "replace":
		req := &kvpb.PutRequest{Namespace: namespace, Key: in.key, Value: []byte(in.value), IfAbsent: in.kind == "create"}
		if in.kind == "replace" {
			req.IfVersion = in.version
		}
		rsp, err := kv.Put(ctx, req, opts...)
		return output{version: rsp.GetVersion()}, err
	case "remove":
		_, err := kv.Delete(ctx, &kvpb.DeleteRequest{Namespace: namespace, Key: in.key}, opts...)
		return output{}, err
	default:
		rsp, err := kv.Increment(ctx, &kvpb.IncrementRequest{Namespace: namespace, Key: in.key, Delta: 1}, opts...)
		return output{value: strconv.FormatInt(rsp.GetValue(), 10), version: rsp.GetVersion()}, err
	}
}

// state is what one key holds: no item while version is 0. Last is the largest version
// that it ever had.
type state struct {
	value         string
	version, last uint64
}

// model is a key as one caller at a time would see it.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := make(map[string][]porcupine.Operation)
			for _, op := range history {
				key := op.Input.(input).key
				byKey[key] = append(byKey[key], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return state{} },
		Step: func(before, in, out any) (bool, any) {
			return before.(state).step(in.(input), out.(output))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

// step says whether a call may answer so in a state, and the state after it.
func (s state) step(in input, out output) (bool, state) {
	written := state{value: in.value, version: out.version, last: out.version}
	there, later := s.version != 0, out.reason == "" && out.version > s.last
	switch in.kind {
	case "get":
		if !there {
			return out.reason == notFound, s
		}
		return out.reason == "" && out.value == s.value && out.version == s.version, s
	case "put":
		return later, written
	case "create":
		if there {
			return out.reason == exists, s
		}
		return later, written
	case "replace":
		if s.version != in.version {
			return out.reason == mismatch, s
		}
		return later, written
	case "remove":
		if !there {
			return out.reason == notFound, s
		}
		return out.reason == "", state{last: s.last}
	default:
		n := 0
		if there {
			n, _ = strconv.Atoi(s.value)
		}
		written.value = strconv.Itoa(n + 1)
		return later && out.value == written.value, written
	}
}
