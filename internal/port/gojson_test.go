package port_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"go-micro.dev/v5/server"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// sleeping is echo-srv that tells how long it is to sleep, and does not.
type sleeping struct {
	echo.Handler

	slept chan time.Duration
}

func (s *sleeping) Call(_ context.Context, req *echopb.CallRequest, _ *echopb.CallResponse) error {
	s.slept <- req.GetSleep().AsDuration()
	return nil
}

// refused is no duration that a test sends.
const refused = time.Duration(math.MinInt64)

// TestGoJSON: old go-micro clients write times as encoding/json does. No other door
// takes that.
func TestGoJSON(t *testing.T) {
	s := &sleeping{slept: make(chan time.Duration, 1)}
	address := serve(t, config(), with(s)).Addr().String()
	tests := map[string]struct {
		body string
		want time.Duration
	}{
		"protobuf's JSON":     {`{"text":"hi","sleep":"1.5s"}`, 1500 * time.Millisecond},
		"seconds and nanos":   {`{"text":"hi","sleep":{"seconds":90,"nanos":5}}`, 90*time.Second + 5},
		"nanos alone":         {`{"text":"hi","sleep":{"nanos":5}}`, 5},
		"negative":            {`{"text":"hi","sleep":{"seconds":-1}}`, -time.Second},
		"nothing":             {`{"text":"hi","sleep":{}}`, 0},
		"unknown fields":      {`{"text":"hi","later":{"seconds":1},"sleep":{"seconds":1}}`, time.Second},
		"a fraction":          {`{"text":"hi","sleep":{"seconds":1.5}}`, refused},
		"text":                {`{"text":"hi","sleep":{"seconds":"90"}}`, refused},
		"another unit":        {`{"text":"hi","sleep":{"minutes":1}}`, refused},
		"too many nanos":      {`{"text":"hi","sleep":{"nanos":4294967301}}`, refused},
		"too many seconds":    {`{"text":"hi","sleep":{"seconds":9223372036854775807}}`, refused},
		"signs that differ":   {`{"text":"hi","sleep":{"seconds":1,"nanos":-1}}`, refused},
		"a list":              {`{"text":"hi","sleep":[1]}`, refused},
		"wrong in other ways": {`{"text":7,"sleep":{"seconds":1}}`, refused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, header, _ := post(t, "http://"+address, tt.body, http.Header{"Micro-Endpoint": {"Echo.Call"}})
			fault := header.Get("Micro-Error")
			if tt.want == refused {
				if !strings.Contains(fault, `"status":"invalid_argument"`) {
					t.Errorf("got %q, want invalid_argument", fault)
				}
				return
			}
			if fault != "" {
				t.Fatalf("got %s", fault)
			}
			if got := receive(t, s.slept, "the handler"); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if code, _, body := post(t, "http://"+address+"/Echo/Call", tests["seconds and nanos"].body, nil); code != http.StatusBadRequest {
		t.Errorf("Connect takes it: %d %s", code, body)
	}
}

// Batch takes times in a list.
type Batch struct {
	writes chan []*kvpb.BatchPutRequest_Write
}

// Put is unary.
func (b *Batch) Put(_ context.Context, req *kvpb.BatchPutRequest, _ *kvpb.BatchPutResponse) error {
	b.writes <- req.GetWrites()
	return nil
}

func TestGoJSONList(t *testing.T) {
	b := &Batch{make(chan []*kvpb.BatchPutRequest_Write, 1)}
	address := serve(t, config(), func(s server.Server) error { return s.Handle(s.NewHandler(b)) }).Addr().String()
	_, header, _ := post(t, "http://"+address, `{"writes":[{"key":"a","ttl":{"seconds":1}},{"key":"b","ttl":"2s"},{"key":"c"}]}`, http.Header{"Micro-Endpoint": {"Batch.Put"}})
	if fault := header.Get("Micro-Error"); fault != "" {
		t.Fatal(fault)
	}
	for i, w := range receive(t, b.writes, "the handler") {
		if want := []time.Duration{time.Second, 2 * time.Second, 0}[i]; w.GetTtl().AsDuration() != want {
			t.Errorf("write %d: got %v, want %v", i, w.GetTtl().AsDuration(), want)
		}
	}
}
