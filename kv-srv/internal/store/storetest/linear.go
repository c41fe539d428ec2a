package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/micro/platform/kv-srv/internal/store"
)

// kind is an operation in a history of calls.
type kind int

const (
	get kind = iota
	put
	create
	replace
	remove
	increment
	kinds
)

func (k kind) String() string {
	return [...]string{"get", "put", "create", "replace", "remove", "increment"}[k]
}

type input struct {
	kind    kind
	key     string
	value   string // to put
	version uint64 // to replace
}

type output struct {
	value   string // got, or the sum
	version uint64
	err     error // one of the sentinels of store, or nil
}

// state is what one key holds: no item while version is 0. Last is the largest version
// that it ever had.
type state struct {
	value         string
	version, last uint64
}

// model is a key as one caller at a time would see it.
var model = porcupine.Model{
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

// step says whether an operation may answer so in a state, and the state after it.
func (s state) step(in input, out output) (bool, state) {
	written := state{value: in.value, version: out.version, last: out.version}
	later := out.err == nil && out.version > s.last
	there := s.version != 0
	switch in.kind {
	case get:
		if !there {
			return errors.Is(out.err, store.ErrNotFound), s
		}
		return out.err == nil && out.value == s.value && out.version == s.version, s
	case put:
		return later, written
	case create:
		if there {
			return errors.Is(out.err, store.ErrExists), s
		}
		return later, written
	case replace:
		if s.version != in.version {
			return errors.Is(out.err, store.ErrVersion), s
		}
		return later, written
	case remove:
		if !there {
			return errors.Is(out.err, store.ErrNotFound), s
		}
		return out.err == nil, state{last: s.last}
	default:
		n := 0
		if there {
			n, _ = strconv.Atoi(s.value)
		}
		written.value = strconv.Itoa(n + 1)
		return later && out.value == written.value, written
	}
}

// call does an operation, or returns an error that is no answer of the store.
func (k *kv) call(in input) (out output, err error) {
	w := store.Write{Key: in.key, Value: []byte(in.value), IfAbsent: in.kind == create}
	switch in.kind {
	case get:
		item, e := k.store.Get(k.Context(), k.ns, in.key)
		out = output{string(item.Value), item.Version, e}
	case put, create:
		out.version, out.err = k.store.Put(k.Context(), k.ns, w)
	case replace:
		w.IfVersion = in.version
		out.version, out.err = k.store.Put(k.Context(), k.ns, w)
	case remove:
		out.err = k.store.Delete(k.Context(), k.ns, store.Removal{Key: in.key})
	default:
		sum, version, e := k.store.Increment(k.Context(), k.ns, store.Addition{Key: in.key, Delta: 1})
		out = output{strconv.FormatInt(sum, 10), version, e}
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrExists, store.ErrVersion} {
		if errors.Is(out.err, answer) {
			return output{err: answer}, nil
		}
	}
	return out, out.err
}

// linearizable lets many clients use few keys, and asks whether each call can have
// happened at one moment between its begin and its end.
func linearizable(k *kv) {
	const clients, calls, keys = 8, 250, 3
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		began   = time.Now()
	)
	k.together(clients, func(client int) error {
		seen := make(map[string]uint64)
		for range calls {
			in := input{kind: kind(rand.IntN(int(kinds))), key: fmt.Sprint("k", rand.IntN(keys)), value: strconv.Itoa(rand.IntN(100))}
			if in.version = seen[in.key]; in.kind == replace && in.version == 0 {
				in.kind = get
			}
			call := time.Since(began)
			out, err := k.call(in)
			end := time.Since(began)
			if unsupported(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", in.kind, in.key, err)
			}
			if out.version != 0 {
				seen[in.key] = out.version
			}
			mu.Lock()
			history = append(history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: int64(call), Return: int64(end)})
			mu.Unlock()
		}
		return nil
	})
	result, info := porcupine.CheckOperationsVerbose(model, history, patient)
	if result == porcupine.Illegal {
		path := filepath.Join(k.ArtifactDir(), "history.html")
		k.Fatal("the calls have no order, see ", path, " (go test -artifacts): ", porcupine.VisualizePath(model, info, path))
	}
	if result == porcupine.Unknown {
		k.Fatalf("no order found and none ruled out within %v", patient)
	}
}
