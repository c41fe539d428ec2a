// Package languages_test calls kv-srv as programs in other languages do, with the
// clients that make clients generates, and checks that all are told the same.
package languages_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	"github.com/micro/platform/tests/console"
)

func needInterop(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") == "" {
		t.Skip("needs Python, Node, Maven, Chromium and package registries: make test-interop")
	}
}

// startKV runs kv-srv until the test ends.
func startKV(t *testing.T) (address string) {
	t.Helper()
	needInterop(t)
	return hosttest.Run(t, nil, kvserver.Service()).Address("kv-srv")
}

// TestExamples does what the documents of the examples say.
func TestExamples(t *testing.T) {
	address := startKV(t)
	for language, callers := range map[string]int{"python": 1, "typescript": 2} {
		t.Run(language, func(t *testing.T) {
			dir := "../../examples/" + language
			said := console.Run(t, dir, []string{"KV_ADDRESS=" + address}, console.Read(t, dir+"/README.md"))
			checkSaid(t, said, callers)
		})
	}
}

func TestJava(t *testing.T) {
	checkSaid(t, console.Run(t, "../..", nil, []console.Command{
		{Line: "make clients LANGUAGES=java"},
		{Line: "mvn --batch-mode --quiet -f gen/java/pom.xml package dependency:copy-dependencies"},
		{Line: "java -cp 'gen/java/target/*:gen/java/target/dependency/*' tests/languages/java/Call.java " + startKV(t)},
	}), 1)
}

// A refusal is a request, and what its caller is told.
type refusal struct {
	Name     string
	Endpoint string // as go-micro has it: "KV.Get"
	Request  json.RawMessage
	HTTP     int
	told
}

// told is what a caller learns of an error.
type told struct{ Code, Reason, Field, Message string }

// refusals are those that every caller must see alike. tests/compat reads them, too.
func refusals(t *testing.T) []refusal {
	t.Helper()
	b, err := os.ReadFile("refusals.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []refusal
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		code, ok := codeNamed(r.Code)
		if !ok || rpcerr.HTTP(code) != r.HTTP {
			t.Fatalf("refusals.json: %s is no code with the HTTP status %d", r.Code, r.HTTP)
		}
	}
	return all
}

func codeNamed(name string) (codes.Code, bool) {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		if rpcerr.Name(c) == name {
			return c, true
		}
	}
	return 0, false
}

// path returns "/micro.kv.v1.KV/Get" for KV.Get.
func (r refusal) path() string { return "/micro.kv.v1." + strings.Replace(r.Endpoint, ".", "/", 1) }

// messages returns the request of a refusal, and an empty response.
func (r refusal) messages(t *testing.T) (in, out proto.Message) {
	t.Helper()
	_, method, _ := strings.Cut(r.Endpoint, ".")
	m := kvpb.File_micro_kv_v1_kv_proto.Services().ByName("KV").Methods().ByName(protoreflect.Name(method))
	if m == nil {
		t.Fatalf("refusals.json: no endpoint %q", r.Endpoint)
	}
	in, out = dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if err := protojson.Unmarshal(r.Request, in); err != nil {
		t.Fatal(err)
	}
	return in, out
}

// sentence is how the programs in other languages describe an error.
var sentence = regexp.MustCompile(`(?m)^(conflict|invalid): (\w+) \((\S*?)(?:, field (\S+))?\): (.*)$`)

// checkSaid checks that so many programs have described each refusal.
func checkSaid(t *testing.T, said string, callers int) {
	t.Helper()
	got := map[string][]told{}
	for _, m := range sentence.FindAllStringSubmatch(said, -1) {
		got[m[1]] = append(got[m[1]], told{Code: m[2], Reason: m[3], Field: m[4], Message: m[5]})
	}
	for _, r := range refusals(t) {
		if len(got[r.Name]) != callers {
			t.Errorf("%d of %d describe a refusal as %s:\n%s", len(got[r.Name]), callers, r.Name, said)
		}
		for _, g := range got[r.Name] {
			if g != r.told {
				t.Errorf("%s: got %+v, want %+v", r.Name, g, r.told)
			}
		}
	}
	if n := strings.Count(said, "get: hello, world\n"); n != callers {
		t.Errorf("%d of %d have read what they have written:\n%s", n, callers, said)
	}
}
