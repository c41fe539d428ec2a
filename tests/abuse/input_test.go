package abuse_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// A badInput is a request that is wrong whatever the state, so that every protocol
// must answer the same.
type badInput struct {
	method string
	name   string
	json   string
	proto  []byte // nil: what json says
	field  string // that the answer blames; "" where nothing of the message can be read
	says   string // stands in the message
}

// methods are those of KV, each with fields that make a request of it complete.
var methods = map[string]string{
	"Get":          `"key":"k"`,
	"Put":          `"key":"k","value":"dg=="`,
	"Delete":       `"key":"k"`,
	"Increment":    `"key":"k","delta":"1"`,
	"Touch":        `"key":"k"`,
	"BatchGet":     `"keys":["k"]`,
	"BatchPut":     `"writes":[{"key":"k"}]`,
	"List":         `"prefix":"p"`,
	"DeletePrefix": `"prefix":"p"`,
	"Watch":        `"prefix":"p"`,
}

var (
	long = strings.Repeat("k", 2<<10)
	huge = strings.Repeat("dmFs", 2<<20/3+1) // base64 of 2 MiB
)

// badInputs is every case of every RPC.
func badInputs() []badInput {
	var all []badInput
	add := func(method, name, fields, field, says string) {
		all = append(all, badInput{method: "KV." + method, name: name, json: "{" + fields + "}", field: field, says: says})
	}
	for m, valid := range methods {
		add(m, "capital in namespace", `"namespace":"No",`+valid, "namespace", "'N'")
		add(m, "long namespace", `"namespace":"`+long[:64]+`",`+valid, "namespace", "64 bytes")
		all = append(all, unreadable(m)...)
	}
	for _, m := range []string{"Get", "Put", "Delete", "Increment", "Touch"} {
		add(m, "no key", ``, "key", "0 bytes")
		add(m, "empty key", `"key":""`, "key", "0 bytes")
		add(m, "long key", `"key":"`+long+`"`, "key", "2048 bytes")
	}
	for m, of := range map[string]string{"Put": "", "Increment": "", "Touch": "", "BatchPut": "writes[1]."} {
		for name, ttl := range map[string]string{"negative": "-1s", "zero": "0s", "short": "0.000001s", "long": "630720000s"} {
			fields := `"key":"k","ttl":"` + ttl + `"`
			if m == "BatchPut" {
				fields = `"writes":[{"key":"j"},{` + fields + `}]`
			}
			add(m, name+" ttl", fields, of+"ttl", "1ms to 10 years")
		}
	}
	for _, m := range []string{"Put", "Delete", "Increment", "BatchPut"} {
		add(m, "long request_id", methods[m]+`,"requestId":"`+long[:129]+`"`, "request_id", "129 bytes")
	}
	for _, m := range []string{"List", "DeletePrefix", "Watch"} {
		add(m, "long prefix", `"prefix":"`+long+`"`, "prefix", "2048 bytes")
	}
	add("Put", "huge value", `"key":"k","value":"`+huge+`"`, "value", "want at most 1048576")
	add("Put", "two conditions", `"key":"k","ifAbsent":true,"ifVersion":"1"`, "if_version", "if_absent")
	add("Put", "large metadata", `"key":"k","metadata":{"a":"`+strings.Repeat(long, 3)+`"}`, "metadata", "4096")
	add("BatchGet", "no keys", ``, "keys", "0 of them")
	add("BatchGet", "many keys", `"keys":["k"`+strings.Repeat(`,"k"`, 1000)+`]`, "keys", "1001 of them")
	add("BatchGet", "empty key", `"keys":["k",""]`, "keys[1]", "0 bytes")
	add("BatchGet", "long key", `"keys":["k","`+long+`"]`, "keys[1]", "2048 bytes")
	add("BatchPut", "no writes", ``, "writes", "0 of them")
	add("BatchPut", "many writes", `"writes":[{}`+strings.Repeat(`,{}`, 1000)+`]`, "writes", "1001 of them")
	add("BatchPut", "empty key", `"writes":[{"key":"k"},{}]`, "writes[1].key", "0 bytes")
	add("BatchPut", "long key", `"writes":[{"key":"`+long+`"}]`, "writes[0].key", "2048 bytes")
	add("BatchPut", "huge value", `"writes":[{"key":"k","value":"`+huge+`"}]`, "writes[0].value", "want at most 1048576")
	add("BatchPut", "one key twice", `"writes":[{"key":"k"},{"key":"k"}],"requestId":"r"`, "writes[1].key", "each key once")
	add("List", "negative page", `"pageSize":-1`, "page_size", "-1")
	add("List", "large page", `"pageSize":1001`, "page_size", "1001")
	add("List", "invented page_token", `"pageToken":"bm8"`, "page_token", "next_page_token")
	add("DeletePrefix", "everything, unconfirmed", ``, "prefix", "confirm it with all")
	return all
}

// unreadable are requests that are no message of method.
func unreadable(method string) []badInput {
	name := "KV." + method
	return []badInput{
		{name, "broken", `{"namespace":"n`, []byte{0x0a, 0x7f, 'n'}, "request", "request: "},
		{name, "no message", `[1]`, []byte{0xff, 0xff, 0xff, 0xff}, "request", "request: "},
		{name, "empty tag", `nothing`, []byte{0x00}, "request", "request: "},
		// What has another type than its field is an unknown field to protobuf.
		{name, "wrong type", `{"namespace":12}`, []byte{0x0b, 0x14}, "request", ""},
		{name, "number out of range", `{"namespace":1e999}`, append([]byte{0x0a}, strings.Repeat("\xff", 11)...), "request", "request: "},
		{name, "invalid UTF-8", "{\"namespace\":\"\xff\xfe\"}", []byte{0x0a, 0x02, 0xff, 0xfe}, "request", "UTF-8"},
		{name, "invalid UTF-8 in an unknown field", "{\"x\":\"\xff\xfe\"}", []byte{0x0a, 0x02, 0xc0, 0x80}, "request", "UTF-8"},
		// What the decoder says of it stands in a header of the answer.
		{name, "a character that HTTP does not let pass", "{\"namespace\":\x7f}", []byte{0x7f}, "request", ""},
		{name, "much that the decoder repeats", `{"namespace":` + strings.Repeat("1", 1<<16) + `}`, []byte(strings.Repeat("\x7f", 1<<16)), "request", ""},
		{name, "deep", `{"x":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}`, nest(20_000), "request", "request: "},
	}
}

// nest is groups of an unknown field, one in the other.
func nest(depth int) []byte {
	return []byte(strings.Repeat("\x7b", depth) + strings.Repeat("\x7c", depth))
}

// body is the request as d writes it.
func (b badInput) body(t *testing.T, d door) []byte {
	t.Helper()
	if d.json {
		return []byte(b.json)
	}
	if b.proto != nil {
		return b.proto
	}
	return toProto(t, b.method, b.json)
}

func toProto(t *testing.T, method, text string) []byte {
	t.Helper()
	_ = kvpb.File_micro_kv_v1_kv_proto // linked
	name := "micro.kv.v1." + strings.TrimPrefix(method, "KV.") + "Request"
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	m := mt.New().Interface()
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%s %s: %v", method, text, err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBadInput(t *testing.T) {
	address := startKV(t, nil)
	cases := badInputs()
	t.Run("via", func(t *testing.T) { // ends when all doors are done
		for _, d := range doors() {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range cases {
					what := c.method + ", " + c.name
					a := d.call(t, request{address: address, method: c.method, stream: c.method == "KV.Watch", body: c.body(t, d)})
					a.expect(t, what, codes.InvalidArgument)
					a.blames(t, what, d, c.field, c.says)
				}
			})
		}
	})
}

// expect compares the code, and that it took no longer than it may.
func (a answer) expect(t *testing.T, what string, want codes.Code) {
	t.Helper()
	if a.code != want {
		t.Errorf("%s: got %v, want %v", what, a, want)
	}
	if a.took > soon {
		t.Errorf("%s: the answer took %v", what, a.took)
	}
	if len(a.message) > 1<<10 {
		t.Errorf("%s: the message has %d bytes", what, len(a.message))
	}
}

// blames compares what the answer says is wrong.
func (a answer) blames(t *testing.T, what string, d door, field, says string) {
	t.Helper()
	if !strings.HasPrefix(a.message, field+": ") || !strings.Contains(a.message, says) {
		t.Errorf("%s: got message %q, want %s: ... %s", what, a.message, field, says)
	}
	if !strings.HasPrefix(d.name, "mucp") && a.field != field { // go-micro's errors have no place for it
		t.Errorf("%s: got field %q, want %q", what, a.field, field)
	}
}
