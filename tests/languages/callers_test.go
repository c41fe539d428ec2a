package languages_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/micro/platform/internal/rpcerr"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// A caller sends what is refused, and returns what it is told.
type caller func(t *testing.T, address string, r refusal) told

// TestRefusals has the same refused by clients that others have made. Those of go-micro
// are in tests/compat.
func TestRefusals(t *testing.T) {
	address := startKV(t)
	put := &kvpb.PutRequest{Key: "refused"}
	if err := dial(t, address).Invoke(t.Context(), "/micro.kv.v1.KV/Put", put, &kvpb.PutResponse{}); err != nil {
		t.Fatal(err)
	}
	callers := map[string]caller{
		"grpc-go":                   callGRPC,
		"connect-go":                callConnect(),
		"connect-go, JSON":          callConnect(connect.WithProtoJSON()),
		"connect-go, gzip":          callConnect(connect.WithSendGzip()),
		"connect-go, gRPC-Web":      callConnect(connect.WithGRPCWeb()),
		"connect-go, gRPC-Web JSON": callConnect(connect.WithGRPCWeb(), connect.WithProtoJSON()),
		"curl":                      callCurl,
	}
	for name, call := range callers {
		for _, r := range refusals(t) {
			t.Run(name+"/"+r.Name, func(t *testing.T) {
				if got := call(t, address, r); got != r.told {
					t.Errorf("got %+v, want %+v", got, r.told)
				}
			})
		}
	}
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func callGRPC(t *testing.T, address string, r refusal) told {
	in, out := r.messages(t)
	st := status.Convert(dial(t, address).Invoke(t.Context(), r.path(), in, out))
	return learn(t, rpcerr.Name(st.Code()), st.Message(), st.Details())
}

func callConnect(opts ...connect.ClientOption) caller {
	return func(t *testing.T, address string, r refusal) told {
		in, _ := r.messages(t)
		client := connect.NewClient[dynamicpb.Message, dynamicpb.Message](
			&http.Client{Timeout: 20 * time.Second}, "http://"+address+r.path(), opts...)
		_, err := client.CallUnary(t.Context(), connect.NewRequest(in.(*dynamicpb.Message)))
		refused, ok := errors.AsType[*connect.Error](err)
		if !ok {
			t.Fatalf("got error %v", err)
		}
		details := make([]any, len(refused.Details()))
		for i, d := range refused.Details() {
			if details[i], err = d.Value(); err != nil {
				t.Fatal(err)
			}
		}
		return learn(t, refused.Code().String(), refused.Message(), details)
	}
}

func callCurl(t *testing.T, address string, r refusal) told {
	out, err := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--max-time", "20",
		"--header", "Content-Type: application/json", "--data", string(r.Request), "--write-out", `\n%{http_code} %{content_type}`,
		"http://"+address+r.path()).CombinedOutput()
	body, ending, _ := strings.Cut(string(out), "\n")
	if want := strconv.Itoa(r.HTTP) + " application/json"; err != nil || ending != want {
		t.Fatalf("got %v, %s\nwant it to end with %s", err, out, want)
	}
	var refused struct {
		Code, Message string
		Details       []struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(body), &refused); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	details := make([]any, len(refused.Details))
	for i, d := range refused.Details {
		b, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			t.Fatal(err)
		}
		info := &errdetails.ErrorInfo{}
		if err := proto.Unmarshal(b, info); err != nil || d.Type != "google.rpc.ErrorInfo" {
			t.Fatalf("detail %+v, error %v", d, err)
		}
		details[i] = info
	}
	return learn(t, refused.Code, refused.Message, details)
}

// learn returns what an error with one detail tells.
func learn(t *testing.T, code, message string, details []any) told {
	t.Helper()
	if len(details) != 1 {
		t.Fatalf("%s: %s: got details %v, want one", code, message, details)
	}
	info, ok := details[0].(*errdetails.ErrorInfo)
	if !ok || info.GetDomain() != "micro" {
		t.Fatalf("%s: %s: got detail %v, want ErrorInfo of micro", code, message, details[0])
	}
	return told{Code: code, Reason: info.GetReason(), Field: info.GetMetadata()["field"], Message: message}
}
