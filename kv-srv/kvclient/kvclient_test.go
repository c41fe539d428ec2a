package kvclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go-micro.dev/v5/client"
	merrors "go-micro.dev/v5/errors"
	"go-micro.dev/v5/registry"
	"go.uber.org/goleak"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

func open(t *testing.T, opts ...kvclient.Option) *kvclient.Client {
	t.Helper()
	return kvclient.New(hosttest.Run(t, nil, kvserver.Service()).Client, opts...)
}

// put stores what must not fail.
func put(t *testing.T, kv *kvclient.Client, key, value string, opts ...kvclient.PutOption) uint64 {
	t.Helper()
	version, err := kv.Put(t.Context(), key, []byte(value), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestItems(t *testing.T) {
	kv, ctx := open(t), t.Context()
	version := put(t, kv, "greeting", "hello", kvclient.TTL(time.Minute), kvclient.Metadata{"lang": "en"})
	got, err := kv.Get(ctx, "greeting")
	if err != nil {
		t.Fatal(err)
	}
	if lives := got.Expires.Sub(got.Updated); lives != time.Minute || time.Since(got.Updated) > time.Minute {
		t.Errorf("written at %v, lives for %v, want 1m", got.Updated, lives)
	}
	want := kvclient.Item{Key: "greeting", Value: []byte("hello"), Version: version, Metadata: map[string]string{"lang": "en"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(kvclient.Item{}, "Updated", "Expires")); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}

	touched, err := kv.Touch(ctx, "greeting", 0)
	if err != nil || touched < version {
		t.Errorf("Touch: got %d, %v, want %d or more", touched, err, version)
	}
	if got, err = kv.Get(ctx, "greeting"); err != nil || !got.Expires.IsZero() {
		t.Errorf("after Touch with 0: got %+v, %v, want an item that never ends", got, err)
	}
	if touched, err = kv.Touch(ctx, "greeting", time.Hour); err != nil {
		t.Error(err)
	}
	if got, err = kv.Get(ctx, "greeting"); err != nil || got.Expires.Before(time.Now().Add(59*time.Minute)) {
		t.Errorf("after Touch with 1h: got %+v, %v", got, err)
	}

	if _, err := kv.Put(ctx, "greeting", nil, kvclient.IfAbsent()); !errors.Is(err, kvclient.ErrConflict) {
		t.Errorf("IfAbsent: got %v, want ErrConflict", err)
	}
	if _, err := kv.Put(ctx, "greeting", nil, kvclient.IfVersion(touched+1)); !errors.Is(err, kvclient.ErrConflict) {
		t.Errorf("IfVersion: got %v, want ErrConflict", err)
	}
	if err := kv.Delete(ctx, "greeting", kvclient.IfVersion(touched+1)); !errors.Is(err, kvclient.ErrConflict) {
		t.Errorf("Delete with IfVersion: got %v, want ErrConflict", err)
	}
	if err := kv.Delete(ctx, "greeting", kvclient.IfVersion(touched)); err != nil {
		t.Error(err)
	}
	if err := kv.Delete(ctx, "greeting"); !errors.Is(err, kvclient.ErrNotFound) {
		t.Errorf("Delete: got %v, want ErrNotFound", err)
	}

	for i := range int64(3) {
		if got, err := kv.Increment(ctx, "visits", 2, kvclient.TTL(time.Minute)); err != nil || got != 2*(i+1) {
			t.Errorf("Increment: got %d, %v, want %d", got, err, 2*(i+1))
		}
	}
	for range 2 {
		if got, err := kv.Increment(ctx, "once", 1, kvclient.RequestID("r")); err != nil || got != 1 {
			t.Errorf("Increment with one RequestID: got %d, %v, want 1", got, err)
		}
	}
}

func TestNamespaces(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	byName := kvclient.New(p.Client, kvclient.WithNamespace("billing"))
	byAddress := kvclient.New(client.NewClient(), kvclient.WithAddress(p.Address("kv-srv")))
	put(t, byName, "k", "billing")
	put(t, byAddress, "k", "default")
	for kv, want := range map[*kvclient.Client]string{byName: "billing", byAddress: "default"} {
		if got, err := kv.Get(t.Context(), "k"); err != nil || string(got.Value) != want {
			t.Errorf("got %q, %v, want %q", got.Value, err, want)
		}
	}
}

func TestList(t *testing.T) {
	kv, ctx := open(t), t.Context()
	var writes []kvclient.Write
	for i := range 1000 {
		writes = append(writes, kvclient.Write{Key: fmt.Sprintf("a%03d", i), Value: bytes.Repeat([]byte("v"), 4<<10)})
	}
	results, err := kv.BatchPut(ctx, writes)
	if err != nil || len(results) != len(writes) || results[999].Err != nil || results[999].Version == 0 {
		t.Fatalf("BatchPut: got %d results, %v, the last %+v", len(results), err, results[len(results)-1])
	}
	put(t, kv, "b", "")

	var version uint64
	n := 0
	for item, err := range kv.List(ctx, "a", kvclient.SaveVersion(&version)) { // more than a page
		if err != nil {
			t.Fatal(err)
		}
		if item.Key != writes[n].Key || !bytes.Equal(item.Value, writes[n].Value) || version == 0 {
			t.Fatalf("item %d is %s, of %d bytes, as of version %d", n, item.Key, len(item.Value), version)
		}
		n++
	}
	if n != 1000 {
		t.Errorf("List: got %d items, want 1000", n)
	}
	for item, err := range kv.List(ctx, "b", kvclient.KeysOnly()) {
		if err != nil || item.Key != "b" || item.Value != nil {
			t.Errorf("KeysOnly: got %+v, %v", item, err)
		}
	}
	if key, err := first(kv.List(ctx, "")); err != nil || key != "a000" {
		t.Errorf("List of everything begins with %q, %v", key, err)
	}
	if deleted, err := kv.DeletePrefix(ctx, "a"); err != nil || deleted != 1000 {
		t.Errorf("DeletePrefix: got %d, %v, want 1000", deleted, err)
	}
	var invalid *kvclient.Error
	if _, err := kv.DeletePrefix(ctx, ""); !errors.As(err, &invalid) || invalid.Code != "invalid_argument" {
		t.Errorf("DeletePrefix of everything: got %v, want invalid_argument", err)
	}
	if deleted, err := kv.DeleteAll(ctx); err != nil || deleted != 1 {
		t.Errorf("DeleteAll: got %d, %v, want 1", deleted, err)
	}
	for item, err := range kv.List(ctx, "\xff") {
		if err == nil {
			t.Errorf("List of a prefix that is no UTF-8: got %+v", item)
		}
	}
}

func TestBatches(t *testing.T) {
	kv, ctx := open(t), t.Context()
	var keys []string
	for i := range 5 { // more than a response
		keys = append(keys, fmt.Sprint(i))
		put(t, kv, keys[i], strings.Repeat(keys[i], 1<<20))
	}
	keys = append(keys, "missing", "0")
	got, err := kv.BatchGet(ctx, keys...)
	if err != nil || len(got) != len(keys) {
		t.Fatalf("BatchGet: got %d results, %v", len(got), err)
	}
	for i, r := range got {
		if keys[i] == "missing" {
			if want := `kv get "missing": not found`; !errors.Is(r.Err, kvclient.ErrNotFound) || r.Err.Error() != want {
				t.Errorf("got %v, want %s", r.Err, want)
			}
		} else if r.Err != nil || r.Item.Key != keys[i] || len(r.Item.Value) != 1<<20 || r.Item.Value[7] != keys[i][0] {
			t.Errorf("result %d: got %s, %d bytes, %v", i, r.Item.Key, len(r.Item.Value), r.Err)
		}
	}

	put1, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "0", IfAbsent: true}, {Key: "new", TTL: time.Hour, Metadata: map[string]string{"a": "b"}}})
	if err != nil || !errors.Is(put1[0].Err, kvclient.ErrConflict) || put1[1].Err != nil {
		t.Errorf("BatchPut: got %+v, %v, want a conflict and an item", put1, err)
	}
	if item, err := kv.Get(ctx, "new"); err != nil || item.Version != put1[1].Version || item.Expires.IsZero() || item.Metadata["a"] != "b" {
		t.Errorf("after BatchPut: got %+v, %v", item, err)
	}
	// A condition brings a request ID, which would refuse a key that stands twice.
	twice, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "two", IfAbsent: true}, {Key: "two"}})
	if err != nil || twice[0].Err != nil || twice[1].Err != nil {
		t.Errorf("BatchPut of one key twice: got %+v, %v", twice, err)
	}
	if _, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "ok"}, {}}); err == nil || !strings.Contains(err.Error(), "writes[1].key") {
		t.Errorf("BatchPut: got %v, want an error that names writes[1].key", err)
	}
	if got, err := kv.BatchGet(ctx); err != nil || len(got) > 0 {
		t.Errorf("BatchGet of nothing: got %v, %v", got, err)
	}
	if got, err := kv.BatchPut(ctx, nil); err != nil || len(got) > 0 {
		t.Errorf("BatchPut of nothing: got %v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv := kvclient.New(p.Client)
	put(t, kv, "text", "text")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()

	get := func(ctx context.Context, kv *kvclient.Client, key string) error {
		_, err := kv.Get(ctx, key)
		return err
	}
	watch := func(ctx context.Context, kv *kvclient.Client, opts ...kvclient.WatchOption) error {
		for _, err := range kv.Watch(ctx, "a", opts...) {
			return err
		}
		return nil
	}
	_, notNumber := kv.Increment(t.Context(), "text", 1)
	away := kvclient.New(client.NewClient(), kvclient.WithAddress("127.0.0.1:1"))

	sentinels := []error{kvclient.ErrNotFound, kvclient.ErrConflict, kvclient.ErrCompacted, kvclient.ErrUnavailable, context.Canceled, context.DeadlineExceeded}
	for _, tt := range []struct {
		name string
		err  error
		text string // how it begins
		code string
		is   []error
	}{
		{"missing key", get(t.Context(), kv, "x"), `kv get "x": not found`, "not_found", []error{kvclient.ErrNotFound}},
		{"invalid key", get(t.Context(), kv, ""), `kv get: key: 0 bytes long, want 1 to 1024`, "invalid_argument", nil},
		{"no number", notNumber, `kv increment "text": the value is no decimal number`, "failed_precondition", nil},
		{"canceled", get(canceled, kv, "x"), `kv get "x": context canceled`, "canceled", []error{context.Canceled}},
		{"late", get(late, kv, "x"), `kv get "x": context deadline exceeded`, "deadline_exceeded", []error{kvclient.ErrUnavailable, context.DeadlineExceeded}},
		{"nobody listens", get(t.Context(), away, "x"), `kv get "x": connection error: dial tcp`, "unavailable", []error{kvclient.ErrUnavailable}},
		{"old watch", watch(t.Context(), kv, kvclient.FromVersion(1)), `kv watch "a": the changes after from_version`, "failed_precondition", []error{kvclient.ErrCompacted}},
		{"canceled watch", watch(canceled, kv), `kv watch "a": context canceled`, "canceled", []error{context.Canceled}},
		{"late watch", watch(late, kv), `kv watch "a": context deadline exceeded`, "deadline_exceeded", []error{kvclient.ErrUnavailable, context.DeadlineExceeded}},
		{"nobody listens to a watch", watch(t.Context(), away), `kv watch "a": connection error: dial tcp`, "unavailable", []error{kvclient.ErrUnavailable}},
	} {
		var e *kvclient.Error
		if !errors.As(tt.err, &e) || e.Code != tt.code || !strings.HasPrefix(e.Error(), tt.text) {
			t.Errorf("%s: got %v %+v, want code %s, %s", tt.name, tt.err, e, tt.code, tt.text)
			continue
		}
		var is []error
		for _, s := range sentinels {
			if errors.Is(tt.err, s) {
				is = append(is, s)
			}
		}
		if diff := cmp.Diff(tt.is, is, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s is (-want +got):\n%s", tt.name, diff)
		}
	}
}

// losing is a client whose calls lose their first answer, after the service gave it.
type losing struct {
	mu    sync.Mutex
	calls map[string]int // attempts of the current call, by content type and endpoint
}

func (l *losing) wrap(next client.CallFunc) client.CallFunc {
	return func(ctx context.Context, node *registry.Node, req client.Request, rsp any, opts client.CallOptions) error {
		err := next(ctx, node, req, rsp, opts)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls[req.ContentType()+" "+req.Endpoint()]++
		if l.calls[req.ContentType()+" "+req.Endpoint()] == 1 {
			return merrors.InternalServerError("go.micro.client.transport", "EOF")
		}
		return err
	}
}

func TestLostAnswers(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	l := &losing{}
	kv := kvclient.New(client.NewClient(client.WrapCall(l.wrap)), kvclient.WithAddress(p.Address("kv-srv")))
	sure := kvclient.New(p.Client)
	ctx := t.Context()

	for _, tt := range []struct {
		name  string
		tries int
		call  func() (any, error)
		want  any
	}{
		{"Get", 2, func() (any, error) { i, err := kv.Get(ctx, "k"); return string(i.Value), err }, "v"},
		{"Touch", 2, func() (any, error) { _, err := kv.Touch(ctx, "k", time.Hour); return nil, err }, nil},
		{"Increment", 2, func() (any, error) { return kv.Increment(ctx, "n", 1) }, int64(1)},
		{"Put", 2, func() (any, error) { _, err := kv.Put(ctx, "new", nil, kvclient.IfAbsent()); return nil, err }, nil},
		{"Delete", 2, func() (any, error) { return nil, kv.Delete(ctx, "k", kvclient.IfVersion(version(t, sure, "k"))) }, nil},
		{"BatchGet", 2, func() (any, error) { r, err := kv.BatchGet(ctx, "k"); return len(r), err }, 1},
		{"BatchPut", 2, func() (any, error) {
			r, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "b", IfAbsent: true}})
			return len(r) == 1 && r[0].Err == nil, err
		}, true},
		{"List", 2, func() (any, error) { return first(kv.List(ctx, "k")) }, "k"},
		{"DeletePrefix", 2, func() (any, error) { return kv.DeletePrefix(ctx, "k") }, int64(0)}, // left for the last try
		{"Put", 2, func() (any, error) { _, err := kv.Put(ctx, "k", nil, kvclient.RequestID("r")); return nil, err }, nil},
		{"Delete", 2, func() (any, error) { return nil, kv.Delete(ctx, "k", kvclient.RequestID("r")) }, nil},
		// What is not remembered is not sent again.
		{"Put", 1, func() (any, error) { _, err := kv.Put(ctx, "k", nil); return nil, err }, nil},
		{"Delete", 1, func() (any, error) { return nil, kv.Delete(ctx, "k") }, nil},
		{"BatchPut", 1, func() (any, error) { r, err := kv.BatchPut(ctx, []kvclient.Write{{Key: "b"}}); return len(r) == 1, err }, false},
	} {
		put(t, sure, "k", "v")
		l.calls = map[string]int{}
		got, err := tt.call()
		switch {
		case tt.tries == 1 && !errors.Is(err, kvclient.ErrUnavailable):
			t.Errorf("%s: got %v, want ErrUnavailable", tt.name, err)
		case tt.tries == 2 && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case got != tt.want:
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		// The default of this client is JSON.
		if diff := cmp.Diff(map[string]int{"application/protobuf KV." + tt.name: tt.tries}, l.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", tt.name, diff)
		}
	}
}

func version(t *testing.T, kv *kvclient.Client, key string) uint64 {
	t.Helper()
	item, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return item.Version
}

func first(all iter.Seq2[kvclient.Item, error]) (string, error) {
	for item, err := range all {
		return item.Key, err
	}
	return "", errors.New("no item")
}

func TestWatch(t *testing.T) {
	kv, ctx := open(t), t.Context()
	var version uint64
	for item, err := range kv.List(ctx, "user/", kvclient.SaveVersion(&version)) {
		t.Errorf("an empty service has %+v, %v", item, err)
	}
	put(t, kv, "user/1", "ann")
	put(t, kv, "order/1", "tea")
	put(t, kv, "user/1", "bob")
	if err := kv.Delete(ctx, "user/1"); err != nil {
		t.Fatal(err)
	}
	put(t, kv, "user/2", "", kvclient.TTL(time.Millisecond))

	var got []string
	var second uint64
	for e, err := range kv.Watch(ctx, "user/", kvclient.FromVersion(version)) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Version <= version || e.Item.Version != e.Version {
			t.Errorf("event of version %d after %d has an item of version %d", e.Version, version, e.Item.Version)
		}
		version = e.Version
		if got = append(got, fmt.Sprintf("%v %s %s", e.Type, e.Item.Key, e.Item.Value)); len(got) == 2 {
			second = e.Version
		}
		if e.Type == kvclient.EventExpire {
			break
		}
	}
	want := []string{"put user/1 ann", "put user/1 bob", "delete user/1 ", "put user/2 ", "expire user/2 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for e, err := range kv.Watch(ctx, "user/", kvclient.FromVersion(second)) {
		if err != nil || e.Type != kvclient.EventDelete {
			t.Errorf("going on from the second event: got %v, %v, want the third", e.Type, err)
		}
		break
	}
	for e, err := range kv.Watch(ctx, "", kvclient.WithProgress()) {
		if err != nil || e.Type != kvclient.EventProgress || e.Version == 0 {
			t.Errorf("first event with WithProgress: got %+v, %v", e, err)
		}
		break
	}
}

// TestWatchEnds leaves watches in every way, while and while not there are events.
func TestWatchEnds(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv := kvclient.New(p.Client, kvclient.WithAddress(p.Address("kv-srv")))
	put(t, kv, "k", "") // connects
	before := goleak.IgnoreCurrent()

	var writing atomic.Bool
	var writer sync.WaitGroup
	writing.Store(true)
	writer.Go(func() {
		for i := 0; writing.Load(); i++ {
			put(t, kv, fmt.Sprint("busy/", i%10), "v")
		}
	})
	for i := range 60 {
		for _, prefix := range []string{"busy/", "idle/"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond/2)
			for _, err := range kv.Watch(ctx, prefix) {
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s, %d: %v", prefix, i, err)
				}
			}
			if d, _ := ctx.Deadline(); time.Since(d) > 10*time.Second { // PROGRESS would come after 30s
				t.Errorf("%s, %d: ended %v after its context", prefix, i, time.Since(d))
			}
			cancel()
		}
	}
	for _, err := range kv.Watch(t.Context(), "busy/") {
		if err != nil {
			t.Error(err)
		}
		break
	}
	writing.Store(false)
	writer.Wait()
	// A connection of the server and its handler end soon after the watch.
	noneLeft(t, before)
}

// TestWatchOfADeadService watches what takes every byte and answers none.
func TestWatchOfADeadService(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	kv := kvclient.New(client.NewClient(), kvclient.WithAddress(l.Addr().String()))
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for _, err := range kv.Watch(ctx, "") {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that of the context", err)
		}
	}
	noneLeft(t, before)
}

// noneLeft checks that goroutines are those of before, but for one that go-micro's
// clients of other tests begin when they like.
func noneLeft(t *testing.T, before goleak.Option) {
	t.Helper()
	goleak.VerifyNone(t, hosttest.Leftovers(before)...)
}

func TestWatchLosesItsService(t *testing.T) {
	lost := make(chan error, 1)
	t.Run("while it runs", func(t *testing.T) {
		kv, ctx := open(t), context.WithoutCancel(t.Context())
		begun := make(chan struct{})
		go func() {
			for _, err := range kv.Watch(ctx, "", kvclient.WithProgress()) {
				if err != nil {
					lost <- err
					return
				}
				close(begun)
			}
		}()
		<-begun
	})
	if err := <-lost; !errors.Is(err, kvclient.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
