// Package openapi_test holds what services say of themselves in their OpenAPI documents
// against what they do.
package openapi_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// documents are those of all contracts.
func documents(t *testing.T) map[string]*openapi3.T {
	t.Helper()
	paths, err := filepath.Glob("../../proto/micro/*/*/openapi.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d documents, %v", len(paths), err)
	}
	all := map[string]*openapi3.T{}
	for _, path := range paths {
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = doc
	}
	return all
}

func TestValid(t *testing.T) {
	for path, doc := range documents(t) {
		if err := doc.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestErrors: the documents have the table that the port goes by.
func TestErrors(t *testing.T) {
	for path, doc := range documents(t) {
		statuses, names := map[string][]string{}, []any{}
		for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
			status := strconv.Itoa(rpcerr.HTTP(c))
			statuses[status] = append(statuses[status], rpcerr.Name(c))
			names = append(names, rpcerr.Name(c))
		}
		for status, want := range statuses {
			r := doc.Components.Responses[status]
			if r == nil {
				t.Errorf("%s: no response %s", path, status)
				continue
			}
			list, _, _ := strings.Cut(*r.Value.Description, ": ")
			got := strings.Split(list, ", ")
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("%s: %s: got %v, want %v", path, status, got, want)
			}
			for p, item := range doc.Paths.Map() {
				if item.Post.RequestBody.Value.Content["application/json"] != nil && item.Post.Responses.Value(status) == nil {
					t.Errorf("%s: %s does not answer %s", path, p, status)
				}
			}
		}
		if len(doc.Components.Responses) != len(statuses) {
			t.Errorf("%s: got %d statuses, want %d", path, len(doc.Components.Responses), len(statuses))
		}
		enum := doc.Components.Schemas["connect.Error"].Value.Properties["code"].Value.Enum
		for _, name := range names {
			if !slices.Contains(enum, name) {
				t.Errorf("%s: no code %v", path, name)
			}
		}
		if len(enum) != len(names) {
			t.Errorf("%s: got %d codes, want %d", path, len(enum), len(names))
		}
	}
}

// live is kv-srv, and what its port says of it.
type live struct {
	url    string
	doc    *openapi3.T
	router routers.Router
}

func start(t *testing.T) *live {
	t.Helper()
	p := hosttest.Run(t, map[string]string{"KV_STORE": "disk:", "PLATFORM_MAX_MESSAGE": "64KiB"}, kvserver.Service())
	l := &live{url: "http://" + p.Address("kv-srv")}
	rsp, body := l.do(t, http.MethodGet, "/openapi.json", nil, nil)
	if rsp.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %s", rsp.Status, body)
	}
	var err error
	if l.doc, err = openapi3.NewLoader().LoadFromData(body); err != nil {
		t.Fatal(err)
	}
	for name, s := range l.doc.Components.Schemas { // so that what is said of nowhere is found
		if s.Value.Properties != nil {
			no := false
			s.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
		} else if s.Value.Type.Is("object") && len(s.Value.AllOf) > 0 {
			t.Fatalf("%s is made of others", name)
		}
	}
	if l.router, err = legacy.NewRouter(l.doc); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *live) do(t *testing.T, method, path string, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	req := l.request(t, method, path, header, body)
	rsp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	got, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp, got
}

func (l *live) request(t *testing.T, method, path string, header http.Header, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, l.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	return req
}

// call calls a method as its description says, and holds the answer against that.
func (l *live) call(t *testing.T, path, body string, header http.Header) (status int, answer string) {
	t.Helper()
	h := http.Header{"Content-Type": {"application/json"}, "Connect-Protocol-Version": {"1"}, "Connect-Timeout-Ms": {"30000"}}
	maps.Copy(h, header)
	rsp, got := l.do(t, http.MethodPost, path, h, []byte(body))
	req := l.request(t, http.MethodPost, path, h, []byte(body))
	req.Host = req.URL.Host
	route, params, err := l.router.FindRoute(req)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && rsp.StatusCode == http.StatusOK {
		t.Errorf("%s: it takes a request that is not described: %v", path, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rsp.StatusCode, Header: rsp.Header, Body: io.NopCloser(bytes.NewReader(got)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s: got %d, which is not described: %v", path, rsp.StatusCode, err)
	}
	return rsp.StatusCode, string(got)
}

// TestExamples: each method takes the request that its description shows.
func TestExamples(t *testing.T) {
	l := start(t)
	paths := l.doc.Paths.Map()
	for _, first := range []string{"Put", "Get", "List"} { // what the others need
		if status, answer := l.call(t, "/micro.kv.v1.KV/"+first, example(t, paths["/micro.kv.v1.KV/"+first]), nil); status != http.StatusOK {
			t.Errorf("%s: got %d %s", first, status, answer)
		}
	}
	called := 0
	for path, item := range paths {
		if item.Post.RequestBody.Value.Content["application/json"] == nil {
			continue
		}
		called++
		status, answer := l.call(t, path, example(t, item), nil)
		alone := path == "/micro.kv.v1.KV/GetRing" && status == http.StatusNotImplemented // one service is no ring
		if status != http.StatusOK && status != http.StatusNotFound && !alone {
			t.Errorf("%s: got %d %s", path, status, answer)
		}
	}
	if called < 9 {
		t.Errorf("%d methods were called, want 9 or more", called)
	}
}

func example(t *testing.T, item *openapi3.PathItem) string {
	t.Helper()
	text, err := json.Marshal(item.Post.RequestBody.Value.Content["application/json"].Example)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAnswers: what kv-srv answers is what its document says, in order.
func TestAnswers(t *testing.T) {
	l := start(t)
	for _, tt := range []struct {
		method, body string
		header       http.Header
		status       int
		has          string // the answer has it
	}{
		{"Put", `{"namespace":"billing","key":"a","value":"aGVsbG8=","ttl":"90s","metadata":{"type":"text"},"requestId":"1"}`, nil, 200, `"version":"`},
		{"Get", `{"namespace":"billing","key":"a"}`, nil, 200, `"expireTime":"`},
		{"Put", `{"key":"a","ifAbsent":true}`, nil, 200, `"version":"`},
		{"Get", `{"key":"a"}`, nil, 200, `"item":{`},
		{"Put", `{"key":"a","ifAbsent":true}`, nil, 409, `"code":"already_exists"`},
		{"Put", `{"key":"a","ifVersion":"1"}`, nil, 409, `"code":"aborted"`},
		{"Increment", `{"key":"n","delta":"-9223372036854775808"}`, nil, 200, `"value":"-9223372036854775808"`},
		{"Increment", `{"key":"n","delta":"-1"}`, nil, 400, `"code":"failed_precondition"`},
		{"Touch", `{"key":"n","ttl":"1.5s"}`, nil, 200, `"version":"`},
		{"BatchPut", `{"writes":[{"key":"b"},{"key":"c","ttl":"60s"},{"key":"a","ifAbsent":true}]}`, nil, 200, `"code":"already_exists"`},
		{"BatchGet", `{"keys":["a","none"]}`, nil, 200, `"reason":"kv.not_found"`},
		{"List", `{"pageSize":1,"keysOnly":true}`, nil, 200, `"nextPageToken":"`},
		{"Delete", `{"key":"b"}`, nil, 200, `{}`},
		{"DeletePrefix", `{"prefix":"c"}`, nil, 200, `{"deleted":"1"}`},
		{"Get", `{"key":"none"}`, nil, 404, `"debug":{`},
		{"Get", `{"key":""}`, nil, 400, `"code":"invalid_argument"`},
		{"Get", `{"key":1}`, nil, 400, `"code":"invalid_argument"`},
		{"Get", `{"key":`, nil, 400, `"code":"invalid_argument"`},
		{"Get", `{"key":"a"}`, http.Header{"Host": {"evil.example"}}, 403, `"code":"permission_denied"`},
		{"Put", `{"key":"big","value":"` + strings.Repeat("AAAA", 32<<10) + `"}`, nil, 429, `"code":"resource_exhausted"`},
	} {
		status, answer := l.call(t, "/micro.kv.v1.KV/"+tt.method, tt.body, tt.header)
		if status != tt.status || !strings.Contains(strings.ReplaceAll(answer, `": `, `":`), tt.has) {
			t.Errorf("%s %.100s: got %d %s, want %d with %s", tt.method, tt.body, status, answer, tt.status, tt.has)
		}
	}
}

// TestStream: the frames of a stream are what x-message says.
func TestStream(t *testing.T) {
	l := start(t)
	const contentType = "application/connect+json"
	watch := l.doc.Paths.Value("/micro.kv.v1.KV/Watch").Post
	out := watch.Responses.Value("200").Value.Content[contentType]
	example, err := json.Marshal(watch.RequestBody.Value.Content[contentType].Extensions["x-message-example"])
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := out.Extensions["x-message"].(map[string]any)["$ref"].(string)
	message := l.doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	if message == nil {
		t.Fatalf("x-message is %v", out.Extensions["x-message"])
	}
	read := l.watch(t, contentType, example)
	if flags, got := read(); flags != 0 || message.Value.VisitJSON(got) != nil || got.(map[string]any)["type"] != "TYPE_PROGRESS" {
		t.Errorf("first: got flags %d, %v: %v", flags, got, message.Value.VisitJSON(got))
	}
	if status, answer := l.call(t, "/micro.kv.v1.KV/Put", `{"key":"example","ttl":"60s"}`, nil); status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	if flags, got := read(); flags != 0 || message.Value.VisitJSON(got) != nil || got.(map[string]any)["type"] != "TYPE_PUT" {
		t.Errorf("second: got flags %d, %v: %v", flags, got, message.Value.VisitJSON(got))
	}

	// One that fails has an error in its last frame.
	read = l.watch(t, contentType, []byte(`{"namespace":"No"}`))
	flags, got := read()
	end, _ := got.(map[string]any)
	if flags != 2 || l.doc.Components.Schemas["connect.Error"].Value.VisitJSON(end["error"]) != nil {
		t.Errorf("the end: got flags %d, %v", flags, got)
	}
}

// TestWithout: a port tells of the contracts that have a document, and of no others.
func TestWithout(t *testing.T) {
	l := &live{url: "http://" + hosttest.Run(t, nil, echo.Service(&echo.Handler{})).Address("echo-srv")}
	for _, path := range []string{"/docs", "/openapi.json"} {
		rsp, got := l.do(t, http.MethodGet, path, nil, nil)
		if rsp.StatusCode != http.StatusOK || !strings.Contains(string(got), "Operations/Backup") || strings.Contains(string(got), "Echo") {
			t.Errorf("%s: got %s %s", path, rsp.Status, got)
		}
	}
}

// watch starts a stream, and returns a function that reads a frame.
func (l *live) watch(t *testing.T, contentType string, message []byte) func() (byte, any) {
	t.Helper()
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	req := l.request(t, http.MethodPost, "/micro.kv.v1.KV/Watch", http.Header{"Content-Type": {contentType}}, append(frame, message...))
	rsp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rsp.Body.Close() })
	if rsp.StatusCode != http.StatusOK || rsp.Header.Get("Content-Type") != contentType {
		t.Errorf("got %s, %s", rsp.Status, rsp.Header.Get("Content-Type"))
	}
	return func() (byte, any) {
		var head [5]byte
		if _, err := io.ReadFull(rsp.Body, head[:]); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, binary.BigEndian.Uint32(head[1:]))
		_, err := io.ReadFull(rsp.Body, data)
		var v any
		if err := errors.Join(err, json.Unmarshal(data, &v)); err != nil {
			t.Fatal(err)
		}
		return head[0], v
	}
}
