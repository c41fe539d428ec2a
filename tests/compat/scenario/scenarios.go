package scenario

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/micro/platform/tests/compat/scenario/proto/kvpb"
)

// prompt is within what every answer comes: one that takes longer was lost and asked
// for again.
const prompt = time.Second

type scenario struct {
	name          string
	everyEncoding bool // also in JSON and in protobuf, whatever the client's default
	echo          bool // with the service of tests/echo, not kv-srv
	play          func(context.Context, *session) (figures string, err error)
}

func (s scenario) contentTypes() []string {
	if s.everyEncoding {
		return []string{"", "application/json", "application/protobuf"}
	}
	return []string{""}
}

// scenarios are all there are, in the order of play: leave is last, so that its open
// streams end with the process.
var scenarios = []scenario{
	{name: "unary", everyEncoding: true, play: unary},
	{name: "ttl", everyEncoding: true, play: ttl},
	{name: "large", everyEncoding: true, play: large},
	{name: "errors", everyEncoding: true, play: refusals},
	{name: "headers", everyEncoding: true, play: headers},
	{name: "stream", everyEncoding: true, play: stream},
	{name: "calls", play: calls},
	{name: "metadata", everyEncoding: true, echo: true, play: metadata},
	{name: "deadline", echo: true, play: deadline},
	{name: "codes", everyEncoding: true, echo: true, play: allCodes},
	{name: "burst", everyEncoding: true, echo: true, play: burst},
	{name: "chat", everyEncoding: true, echo: true, play: chat},
	{name: "leave", play: leave},
}

func scenarioNames() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

// in plays s in one encoding, and removes what it has written.
func (s scenario) in(ctx context.Context, p *player, contentType string) (string, error) {
	play := &session{player: p, service: "kv-srv", contentType: contentType, prefix: "compat/" + rand.Text() + "/"}
	if s.echo {
		play.service = "echo-srv"
		return s.play(ctx, play)
	}
	figures, err := s.play(ctx, play)
	return figures, errors.Join(err, play.call(ctx, "KV.DeletePrefix", &kvpb.DeletePrefixRequest{Prefix: play.prefix}, &kvpb.DeletePrefixResponse{}))
}

// A session is a player in one scenario and one encoding.
type session struct {
	*player
	service     string
	contentType string
	header      map[string]string
	prefix      string // that no one else writes under
}

func (s *session) request(endpoint string, body proto.Message) Request {
	return Request{Service: s.service, Endpoint: endpoint, ContentType: s.contentType, Header: s.header, Body: body}
}

// call checks that one attempt was enough, and that it was prompt.
func (s *session) call(ctx context.Context, endpoint string, in, out proto.Message) error {
	before := s.attempts.Load()
	err := s.try(ctx, endpoint, in, out)
	if n := s.attempts.Load() - before; n != 1 {
		return fmt.Errorf("%s was tried %d times, error %v", endpoint, n, err)
	}
	return err
}

// try checks that the answer was prompt.
func (s *session) try(ctx context.Context, endpoint string, in, out proto.Message) error {
	start := time.Now()
	err := s.client.Call(ctx, s.request(endpoint, in), out)
	if took := time.Since(start); took > prompt {
		return fmt.Errorf("%s took %v, error %v", endpoint, took, err)
	}
	return err
}

// watch opens a watch and awaits its first message.
func (s *session) watch(ctx context.Context, in *kvpb.WatchRequest) (Stream, error) {
	st, err := s.client.Stream(ctx, s.request("KV.Watch", in))
	if err != nil {
		return nil, fmt.Errorf("open KV.Watch: %w", err)
	}
	var first kvpb.WatchResponse
	if err := st.Recv(&first); err != nil {
		return nil, errors.Join(fmt.Errorf("await PROGRESS: %w", err), st.Close())
	}
	if first.GetType() != kvpb.WatchResponse_TYPE_PROGRESS || first.GetItem() != nil {
		return nil, errors.Join(fmt.Errorf("first message of KV.Watch: got %v, want PROGRESS", &first), st.Close())
	}
	return st, nil
}

// equal says what of got is not as it should be.
func equal(what string, got, want proto.Message) error {
	if proto.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got {%v}, want {%v}", what, got, want)
}

// sameItem leaves out what the server chooses: version and times.
func sameItem(got, want *kvpb.Item) error {
	if got.GetVersion() == 0 || got.GetUpdateTime() == nil {
		return fmt.Errorf("item without version or update_time: {%v}", got)
	}
	bare := proto.CloneOf(got)
	bare.Version, bare.UpdateTime, bare.ExpireTime = 0, nil, nil
	return equal("item", bare, want)
}

func unary(ctx context.Context, s *session) (string, error) {
	// Every byte there is, and text that JSON and multicast headers like to break.
	want := &kvpb.Item{Key: s.prefix + "ä key \"<&>\"", Metadata: map[string]string{"Content": "π\n", "empty": ""}}
	for b := range 256 {
		want.Value = append(want.Value, byte(b))
	}

	var put kvpb.PutResponse
	if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: want.Key, Value: want.Value, Metadata: want.Metadata}, &put); err != nil {
		return "", err
	}
	var got kvpb.GetResponse
	if err := s.call(ctx, "KV.Get", &kvpb.GetRequest{Key: want.Key}, &got); err != nil {
		return "", err
	}
	if err := sameItem(got.GetItem(), want); err != nil {
		return "", fmt.Errorf("KV.Get: %w", err)
	}
	if got.GetItem().GetVersion() != put.GetVersion() {
		return "", fmt.Errorf("KV.Get: version %d, KV.Put said %d", got.GetItem().GetVersion(), put.GetVersion())
	}

	const big = int64(9007199254740993) // beyond what a float64 holds exactly
	for i, delta := range []int64{big, -1} {
		var sum kvpb.IncrementResponse
		if err := s.call(ctx, "KV.Increment", &kvpb.IncrementRequest{Key: s.prefix + "n", Delta: delta}, &sum); err != nil {
			return "", err
		}
		if got, want := sum.GetValue(), big-int64(i); got != want {
			return "", fmt.Errorf("KV.Increment: got %d, want %d", got, want)
		}
	}

	batch := &kvpb.BatchPutRequest{}
	var items []*kvpb.Item
	for i := range 10 {
		item := &kvpb.Item{Key: fmt.Sprintf("%sbatch/%d", s.prefix, i), Value: fmt.Appendf(nil, "value %d", i)}
		items = append(items, item)
		batch.Writes = append(batch.Writes, &kvpb.BatchPutRequest_Write{Key: item.GetKey(), Value: item.GetValue()})
	}
	batch.Writes = append(batch.Writes, &kvpb.BatchPutRequest_Write{Key: want.Key, IfAbsent: true})
	var stored kvpb.BatchPutResponse
	if err := s.call(ctx, "KV.BatchPut", batch, &stored); err != nil {
		return "", err
	}
	if got, want := len(stored.GetResults()), len(batch.GetWrites()); got != want {
		return "", fmt.Errorf("KV.BatchPut: got %d results, want %d", got, want)
	}
	for i, r := range stored.GetResults() {
		code := ""
		if i == len(items) {
			code = "already_exists"
		}
		if r.GetError().GetCode() != code || (code == "") != (r.GetVersion() != 0) {
			return "", fmt.Errorf("KV.BatchPut: result %d is {%v}, want code %q", i, r, code)
		}
	}

	var listed []*kvpb.Item
	list := &kvpb.ListRequest{Prefix: s.prefix + "batch/", PageSize: 4}
	for {
		var page kvpb.ListResponse
		if err := s.call(ctx, "KV.List", list, &page); err != nil {
			return "", err
		}
		listed = append(listed, page.GetItems()...)
		if list.PageToken = page.GetNextPageToken(); list.PageToken == "" {
			break
		}
	}
	if len(listed) != len(items) {
		return "", fmt.Errorf("KV.List: got %d items, want %d", len(listed), len(items))
	}
	for i, item := range listed {
		if err := sameItem(item, items[i]); err != nil {
			return "", fmt.Errorf("KV.List: %w", err)
		}
	}

	// Messages without a field are empty on the wire, both ways.
	if err := s.call(ctx, "KV.Delete", &kvpb.DeleteRequest{Key: want.Key}, &kvpb.DeleteResponse{}); err != nil {
		return "", err
	}
	return "", s.call(ctx, "KV.List", &kvpb.ListRequest{}, &kvpb.ListResponse{})
}

// ttl sends a google.protobuf.Duration, which go-micro v1, v2 and v4 over mucp write
// into JSON as encoding/json does.
func ttl(ctx context.Context, s *session) (string, error) {
	key := s.prefix + "ttl"
	if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: key, Ttl: durationpb.New(90500 * time.Millisecond)}, &kvpb.PutResponse{}); err != nil {
		return "", err
	}
	var got kvpb.GetResponse
	if err := s.call(ctx, "KV.Get", &kvpb.GetRequest{Key: key}, &got); err != nil {
		return "", err
	}
	item := got.GetItem()
	if lives := item.GetExpireTime().AsTime().Sub(item.GetUpdateTime().AsTime()).Round(time.Second); lives < 90*time.Second || lives > 92*time.Second {
		return "", fmt.Errorf("lives for %v, want 90.5s", lives)
	}
	return "", nil
}

// large sends and gets messages near the limits: values of 1 MiB, and a response that
// the server must cut at 3 MiB.
func large(ctx context.Context, s *session) (string, error) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	get := &kvpb.BatchGetRequest{}
	for i := range 4 {
		key := fmt.Sprint(s.prefix, i)
		get.Keys = append(get.Keys, key)
		if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: key, Value: value}, &kvpb.PutResponse{}); err != nil {
			return "", err
		}
	}
	get.Keys = append(get.Keys, s.prefix+"missing")
	var got kvpb.BatchGetResponse
	if err := s.call(ctx, "KV.BatchGet", get, &got); err != nil {
		return "", err
	}
	if len(got.GetResults()) != len(get.GetKeys()) {
		return "", fmt.Errorf("KV.BatchGet: got %d results, want %d", len(got.GetResults()), len(get.GetKeys()))
	}
	seen := map[string]int{}
	for i, r := range got.GetResults() {
		seen[r.GetError().GetCode()]++
		if r.GetError() == nil && (r.GetItem().GetKey() != get.GetKeys()[i] || !bytes.Equal(r.GetItem().GetValue(), value)) {
			return "", fmt.Errorf("KV.BatchGet: result %d is not what was put", i)
		}
	}
	if seen[""] == 0 || seen["resource_exhausted"] == 0 || seen["not_found"] != 1 {
		return "", fmt.Errorf("KV.BatchGet: got codes %v, want some items, some resource_exhausted, one not_found", seen)
	}
	return fmt.Sprintf("%d of 4 MiB", seen[""]), nil
}

func refusals(ctx context.Context, s *session) (string, error) {
	if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: s.prefix + "text", Value: []byte("text")}, &kvpb.PutResponse{}); err != nil {
		return "", err
	}
	cases := []struct {
		endpoint string
		in, out  proto.Message
		code     int32
		status   string
		id       string // how the reason begins
		detail   string // what the message must name
	}{
		{"KV.Get", &kvpb.GetRequest{Key: s.prefix + "missing"}, &kvpb.GetResponse{}, 404, "not_found", "kv.", ""},
		{"KV.Get", &kvpb.GetRequest{}, &kvpb.GetResponse{}, 400, "invalid_argument", "", "key"},
		{"KV.Get", &kvpb.GetRequest{Namespace: "NO", Key: "k"}, &kvpb.GetResponse{}, 400, "invalid_argument", "", "namespace"},
		{"KV.Put", &kvpb.PutRequest{Key: s.prefix + "text", IfAbsent: true}, &kvpb.PutResponse{}, 409, "already_exists", "kv.", ""},
		{"KV.Put", &kvpb.PutRequest{Key: s.prefix + "text", IfVersion: 1 << 62}, &kvpb.PutResponse{}, 409, "aborted", "kv.", ""},
		{"KV.Increment", &kvpb.IncrementRequest{Key: s.prefix + "text", Delta: 1}, &kvpb.IncrementResponse{}, 400, "failed_precondition", "kv.", ""},
		{"KV.Nope", &kvpb.GetRequest{Key: "k"}, &kvpb.GetResponse{}, 501, "unimplemented", "", ""},
		{"Nope.Get", &kvpb.GetRequest{Key: "k"}, &kvpb.GetResponse{}, 501, "unimplemented", "", ""},
	}
	var errs []error
	for _, c := range cases {
		err := s.call(ctx, c.endpoint, c.in, c.out)
		var got *Error
		switch {
		case !errors.As(err, &got):
			err = fmt.Errorf("got %w, want %d %s", err, c.code, c.status)
		case got.Code != c.code || got.Status != c.status || !strings.HasPrefix(got.ID, c.id) || got.ID == "" || got.Detail == "" || !strings.Contains(got.Detail, c.detail):
			err = fmt.Errorf("got %w, want %d %s (%s…) with %q", got, c.code, c.status, c.id, c.detail)
		default:
			continue
		}
		errs = append(errs, fmt.Errorf("%s {%v}: %w", c.endpoint, c.in, err))
	}
	shared, err := s.sharedRefusals(ctx)
	errs = append(errs, err, s.refusedStreams(ctx))
	return fmt.Sprint(len(cases)+shared+1, " codes"), errors.Join(errs...)
}

// refusedStreams checks what a stream ends with. Clients hand that over as it came:
// mucp's as a text, gRPC's as a status.
func (s *session) refusedStreams(ctx context.Context) error {
	start := time.Now()
	st, err := s.watch(ctx, &kvpb.WatchRequest{Namespace: "NO"})
	if err == nil {
		return errors.Join(errors.New("KV.Watch took a namespace that is none"), st.Close())
	}
	if !strings.Contains(err.Error(), "namespace") {
		return fmt.Errorf("KV.Watch: error %w names no namespace", err)
	}
	if took := time.Since(start); took > prompt {
		return fmt.Errorf("KV.Watch: the refusal took %v", took)
	}
	return nil
}

// headers sends what tracing adds to a call.
func headers(ctx context.Context, s *session) (string, error) {
	s.header = traceHeader()
	key := s.prefix + "headers"
	if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: key}, &kvpb.PutResponse{}); err != nil {
		return "", err
	}
	return "", s.call(ctx, "KV.Get", &kvpb.GetRequest{Key: key}, &kvpb.GetResponse{})
}

func traceHeader() map[string]string {
	return map[string]string{
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Tracestate":  "a=1,b=2",
		"Micro-Trace": "compat",
		"Tenant":      "compat",
	}
}

// stream watches while messages are written, one after the other.
func stream(ctx context.Context, s *session) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	item := func(i int) *kvpb.Item {
		return &kvpb.Item{
			Key:      fmt.Sprintf("%s%06d", s.prefix, i),
			Value:    bytes.Repeat(fmt.Appendf(nil, "%06d,", i), i%100),
			Metadata: map[string]string{"n": fmt.Sprint(i)},
		}
	}
	st, err := s.watch(ctx, &kvpb.WatchRequest{Prefix: s.prefix})
	if err != nil {
		return "", err
	}

	written := make(chan error, 1)
	go func() {
		for i := range s.messages {
			it := item(i)
			if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: it.Key, Value: it.Value, Metadata: it.Metadata}, &kvpb.PutResponse{}); err != nil {
				written <- fmt.Errorf("KV.Put %d: %w", i, err)
				return
			}
		}
		written <- nil
	}()
	read := make(chan error, 1)
	go func() { read <- s.readPuts(st, item) }()

	// The reader ends by itself, unless a message is missing: then the close wakes it.
	for written != nil || read != nil {
		var one error
		select {
		case one = <-written:
			written = nil
		case one = <-read:
			read = nil
		case <-ctx.Done():
			one = ctx.Err()
		}
		if one != nil {
			return "", errors.Join(one, st.Close())
		}
	}
	return fmt.Sprint(s.messages, " messages"), st.Close()
}

func (s *session) readPuts(st Stream, item func(int) *kvpb.Item) error {
	version := uint64(0)
	for i := 0; i < s.messages; {
		var got kvpb.WatchResponse
		if err := st.Recv(&got); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if got.GetType() == kvpb.WatchResponse_TYPE_PROGRESS {
			continue
		}
		if got.GetType() != kvpb.WatchResponse_TYPE_PUT || got.GetVersion() <= version {
			return fmt.Errorf("message %d: got {%v}, want PUT after version %d", i, &got, version)
		}
		if err := sameItem(got.GetItem(), item(i)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		version = got.GetVersion()
		i++
	}
	return nil
}

// calls looks for an answer that got lost among many.
func calls(ctx context.Context, s *session) (string, error) {
	const keys = 16
	want := make([]*kvpb.Item, keys)
	for i := range want {
		want[i] = &kvpb.Item{Key: fmt.Sprint(s.prefix, i), Value: fmt.Append(nil, "value ", i)}
		if err := s.call(ctx, "KV.Put", &kvpb.PutRequest{Key: want[i].Key, Value: want[i].Value}, &kvpb.PutResponse{}); err != nil {
			return "", err
		}
	}
	took := make([]time.Duration, s.calls)
	start := time.Now()
	for i := range took {
		began := time.Now()
		var got kvpb.GetResponse
		if err := s.call(ctx, "KV.Get", &kvpb.GetRequest{Key: want[i%keys].Key}, &got); err != nil {
			return "", fmt.Errorf("call %d: %w", i, err)
		}
		if err := sameItem(got.GetItem(), want[i%keys]); err != nil {
			return "", fmt.Errorf("call %d: %w", i, err)
		}
		took[i] = time.Since(began)
	}
	rate := float64(s.calls) / time.Since(start).Seconds()
	slices.Sort(took)
	return fmt.Sprintf("%d calls, %.0f/s, median %v, max %v", s.calls, rate, took[s.calls/2], took[s.calls-1]), nil
}

// leave opens streams, closes half of them and leaves the rest to the end of the
// process. Whether the server noticed must be seen there.
func leave(ctx context.Context, s *session) (string, error) {
	// Not ctx: it ends with this scenario, and would take the streams with it.
	ctx = context.WithoutCancel(ctx)
	for i := range s.leave {
		st, err := s.watch(ctx, &kvpb.WatchRequest{Prefix: s.prefix})
		if err != nil {
			return "", fmt.Errorf("stream %d: %w", i, err)
		}
		if i%2 == 1 {
			continue
		}
		if err := st.Close(); err != nil {
			return "", fmt.Errorf("close stream %d: %w", i, err)
		}
	}
	return fmt.Sprintf("%d streams, %d closed", s.leave, (s.leave+1)/2), nil
}
