package port_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// TestPlain: a call that is served without connect-go is answered as connect-go answers
// it, which has those that name a charset.
func TestPlain(t *testing.T) {
	c := config()
	c.CompressMin, c.MaxMessage = 1<<10, 8<<10
	address := serve(t, c, with(&replying{})).Addr().String()
	large := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 5000))
	gzipped := http.Header{"Accept-Encoding": {"br, gzip"}}
	tests := map[string]struct {
		body   string
		header http.Header
		code   int
	}{
		"answer":                    {body: `{"text":"hi"}`, code: 200},
		"nothing":                   {body: ``, code: 400},
		"empty message":             {body: `{}`, code: 200},
		"unknown field":             {body: `{"text":"hi","new":1}`, code: 200},
		"no JSON":                   {body: `{`, code: 400},
		"wrong type":                {body: `{"text":1}`, code: 400},
		"failure":                   {body: `{"code":5,"reason":"kv.gone","text":"no such key"}`, code: 404},
		"failure, gzip":             {body: `{"code":5,"reason":"kv.gone","text":"no such key"}`, header: gzipped, code: 404},
		"our fault":                 {body: `{"code":13,"text":"broken"}`, code: 500},
		"large answer":              {body: large, code: 200},
		"large answer, gzip":        {body: large, header: gzipped, code: 200},
		"small answer, gzip":        {body: `{"text":"hi"}`, header: gzipped, code: 200},
		"large answer, other codec": {body: large, header: http.Header{"Accept-Encoding": {"br"}}, code: 200},
		"too large":                 {body: strings.Repeat(" ", 8<<10) + `{}`, code: 429},
		"version":                   {body: `{"text":"hi"}`, header: http.Header{"Connect-Protocol-Version": {"1"}}, code: 200},
		"no such version":           {body: `{"text":"hi"}`, header: http.Header{"Connect-Protocol-Version": {"2"}}, code: 400},
		"time enough":               {body: `{"text":"hi"}`, header: http.Header{"Connect-Timeout-Ms": {"60000"}}, code: 200},
		"time over":                 {body: `{"sleep":"60s"}`, header: http.Header{"Connect-Timeout-Ms": {"50"}}, code: 504},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := answerTo(t, address, test.body, test.header, "application/json")
			want := answerTo(t, address, test.body, test.header, "application/json; charset=utf-8") // which connect-go has
			if got.Code != test.code {
				t.Errorf("got %d %s, want %d", got.Code, got.Body, test.code)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-connect-go +plain):\n%s", diff)
			}
		})
	}
}

// answer is what a caller sees, but what HTTP says of its own.
type answer struct {
	Code   int
	Header http.Header
	Body   string
}

func answerTo(t *testing.T, address, body string, header http.Header, contentType string) answer {
	t.Helper()
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", contentType)
	if header.Get("Accept-Encoding") == "" {
		header.Set("Accept-Encoding", "identity") // or net/http accepts gzip by itself
	}
	code, h, text := post(t, "http://"+address+"/micro.test.v1.Echo/Call", body, header)
	if h.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	var compact bytes.Buffer // protojson puts in a blank now and then
	if err := json.Compact(&compact, []byte(text)); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	if got := h.Get("Content-Type"); got != contentType && (code == http.StatusOK || got != "application/json") {
		t.Errorf("got Content-Type %q", got)
	}
	for _, name := range []string{"Date", "Content-Type", "Content-Length", "Connection"} {
		h.Del(name)
	}
	return answer{code, h, compact.String()}
}

// TestPlainProto: a message of protobuf, and one that is none.
func TestPlainProto(t *testing.T) {
	address := serve(t, config(), with(&replying{})).Addr().String()
	in, err := proto.Marshal(&echopb.CallRequest{Text: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Type": {"application/proto"}, "Accept-Encoding": {"identity"}}
	code, h, body := post(t, "http://"+address+"/micro.test.v1.Echo/Call", string(in), header)
	out := new(echopb.CallResponse)
	if err := proto.Unmarshal([]byte(body), out); err != nil || code != http.StatusOK || out.GetText() != "hi" || h.Get("Content-Type") != "application/proto" {
		t.Errorf("got %d %v %q, %v", code, h, body, err)
	}
	code, h, body = post(t, "http://"+address+"/micro.test.v1.Echo/Call", "\xff", header)
	if code != http.StatusBadRequest || h.Get("Content-Type") != "application/json" || !strings.Contains(body, `"code":"invalid_argument"`) {
		t.Errorf("got %d %v %q", code, h, body)
	}
}
