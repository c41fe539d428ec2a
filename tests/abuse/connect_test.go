package abuse_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/micro/platform/internal/rpcerr"
)

func viaConnect(codec string) func(testing.TB, request) answer {
	return func(t testing.TB, r request) answer {
		t.Helper()
		begin := time.Now()
		contentType, body := "application/"+codec, r.body
		if r.stream {
			contentType, body = "application/connect+"+codec, framed(r)
		}
		rsp, got := r.post(t, newClient(false), contentType, r.path(), body)
		a := answer{status: rsp.StatusCode, took: time.Since(begin)}
		switch {
		case r.stream && rsp.Header.Get("Content-Type") == contentType:
			a.fromEnd(t, got)
		case rsp.StatusCode != http.StatusOK:
			a.fromHTTP(t, rsp, got)
		}
		return a
	}
}

// fromHTTP reads what is no answer of the protocol.
func (a *answer) fromHTTP(t testing.TB, rsp *http.Response, body []byte) {
	t.Helper()
	if rsp.Header.Get("Content-Type") == "application/json" {
		a.fromConnect(t, body)
		return
	}
	a.code = rpcerr.FromHTTP(rsp.StatusCode)
}

// fromEnd reads the message that ends a stream of Connect.
func (a *answer) fromEnd(t testing.TB, body []byte) {
	t.Helper()
	for len(body) >= 5 {
		size := int(binary.BigEndian.Uint32(body[1:5]))
		if len(body) < 5+size {
			t.Fatal("the answer ends within an envelope")
		}
		if body[0]&2 != 0 {
			var end struct{ Error json.RawMessage }
			if err := json.Unmarshal(body[5:5+size], &end); err != nil {
				t.Fatalf("end of stream %q: %v", body[5:5+size], err)
			}
			if end.Error != nil {
				a.fromConnect(t, end.Error)
			}
			return
		}
		body = body[5+size:]
	}
	t.Fatal("the stream has no end")
}

func (a *answer) fromConnect(t testing.TB, body []byte) {
	t.Helper()
	var e struct {
		Code, Message string
		Details       []struct{ Type, Value string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("error %q: %v", body, err)
	}
	a.code, a.message = codes.Unknown, e.Message
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if rpcerr.Name(c) == e.Code {
			a.code = c
		}
	}
	for _, d := range e.Details {
		b, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			t.Fatalf("detail %s: %v", d.Type, err)
		}
		mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(d.Type))
		if err != nil {
			continue
		}
		m := mt.New().Interface()
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatalf("detail %s: %v", d.Type, err)
		}
		a.learn(m)
	}
}
