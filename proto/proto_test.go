package proto_test

import (
	"encoding/json"
	"testing"

	"github.com/micro/platform/proto"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// TestDocument: each service has a document, which has each of its methods.
func TestDocument(t *testing.T) {
	fd := kvpb.File_micro_kv_v1_kv_proto
	for i := range fd.Services().Len() {
		sd := fd.Services().Get(i)
		data, ok := proto.Document(string(sd.FullName()))
		if !ok {
			t.Fatalf("%s has no document", sd.FullName())
		}
		var doc struct{ Paths map[string]any }
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for j := range sd.Methods().Len() {
			if path := "/" + string(sd.FullName()) + "/" + string(sd.Methods().Get(j).Name()); doc.Paths[path] == nil {
				t.Errorf("%s is not in the document", path)
			}
		}
	}
	for _, none := range []string{"", "KV", "micro.kv.v2.KV", ".KV", "grpc.health.v1.Health", "micro..kv", "../micro.kv.v1.KV"} {
		if _, ok := proto.Document(none); ok {
			t.Errorf("%q has a document", none)
		}
	}
}
