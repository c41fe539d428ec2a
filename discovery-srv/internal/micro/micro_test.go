package micro_test

import (
	"maps"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/micro/platform/discovery-srv/internal/micro"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// deepest is what the contract allows.
const deepest = 8

// TestBothWays has each part of an endpoint arrive in its place.
func TestBothWays(t *testing.T) {
	theirs := []*registry.Endpoint{{
		Name: "Greeter.Hello", Metadata: map[string]string{"stream": "true"},
		Request: &registry.Value{Name: "Request", Type: "HelloRequest", Values: []*registry.Value{
			{Name: "name", Type: "string"}, {Name: "tags", Type: "Tags", Values: []*registry.Value{{Name: "key", Type: "int64"}}},
		}},
		Response: &registry.Value{Name: "Response", Type: "HelloResponse"},
	}, {Name: "Greeter.Bye"}}
	ours := []*discoverypb.Endpoint{{
		Name: "Greeter.Hello", Metadata: map[string]string{"stream": "true"},
		Request: &discoverypb.Value{Name: "Request", Type: "HelloRequest", Values: []*discoverypb.Value{
			{Name: "name", Type: "string"}, {Name: "tags", Type: "Tags", Values: []*discoverypb.Value{{Name: "key", Type: "int64"}}},
		}},
		Response: &discoverypb.Value{Name: "Response", Type: "HelloResponse"},
	}, {Name: "Greeter.Bye"}}
	if diff := cmp.Diff(ours, micro.EndpointsFrom(theirs), protocmp.Transform()); diff != "" {
		t.Errorf("from go-micro (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(theirs, micro.EndpointsTo(ours)); diff != "" {
		t.Errorf("to go-micro (-want +got):\n%s", diff)
	}
}

// text is of anybody: it may be no UTF-8.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }))
}

// value may be nil, and stand somewhat deeper than the contract allows.
func value(s *rapid.Generator[string], deep int) *rapid.Generator[*registry.Value] {
	return rapid.Custom(func(t *rapid.T) *registry.Value {
		if rapid.IntRange(0, 9).Draw(t, "nil") == 0 {
			return nil
		}
		v := &registry.Value{Name: s.Draw(t, "name"), Type: s.Draw(t, "type")}
		if deep > 1 {
			v.Values = rapid.SliceOfN(value(s, deep-1), 0, 2).Draw(t, "values")
		}
		return v
	})
}

func endpoints(s *rapid.Generator[string], deep int) *rapid.Generator[[]*registry.Endpoint] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *registry.Endpoint {
		return &registry.Endpoint{
			Name: s.Draw(t, "name"), Metadata: rapid.MapOfN(s, s, 0, 3).Draw(t, "metadata"),
			Request: value(s, deep).Draw(t, "request"), Response: value(s, deep).Draw(t, "response"),
		}
	}), 0, 3)
}

// depth is that of the values in each other.
func depth(v *discoverypb.Value) int {
	if v == nil {
		return 0
	}
	deep := 0
	for _, in := range v.GetValues() {
		deep = max(deep, depth(in))
	}
	return deep + 1
}

// TestOfAnybody: whatever stands in a registry becomes what can be sent, is not changed, and
// is the same whenever it is read. What became of it comes back as it is.
func TestOfAnybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		theirs := endpoints(text(), deepest+2).Draw(t, "endpoints")
		before := micro.EndpointsFrom(theirs)
		for _, e := range before {
			if _, err := proto.Marshal(e); err != nil {
				t.Fatalf("%v cannot be sent: %v", e, err)
			}
			if d := max(depth(e.GetRequest()), depth(e.GetResponse())); d > deepest {
				t.Fatalf("%d values stand in each other, want %d at most", d, deepest)
			}
		}
		if diff := cmp.Diff(before, micro.EndpointsFrom(theirs), protocmp.Transform()); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, micro.EndpointsFrom(micro.EndpointsTo(before)), protocmp.Transform()); diff != "" {
			t.Fatalf("there and back (-want +got):\n%s", diff)
		}
	})
}

// TestText replaces what is no UTF-8, and nothing else.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := text().Draw(t, "s")
		if got := micro.Text(s); !utf8.ValidString(got) || utf8.ValidString(s) && got != s {
			t.Fatalf("%q became %q", s, got)
		}
		m := rapid.MapOfN(text(), text(), 0, 8).Draw(t, "m")
		kept, got := maps.Clone(m), micro.Texts(m)
		if !reflect.DeepEqual(m, kept) {
			t.Fatalf("%q was changed to %q", kept, m)
		}
		for k, v := range m {
			if _, there := got[micro.Text(k)]; !there || utf8.ValidString(k) && got[k] != micro.Text(v) {
				t.Fatalf("%q became %q, which misses %q", m, got, k)
			}
		}
		for range 5 {
			if again := micro.Texts(m); !reflect.DeepEqual(again, got) {
				t.Fatalf("%q became %q, and then %q", m, got, again)
			}
		}
	})
	if micro.Texts(nil) != nil || micro.Texts(map[string]string{}) != nil {
		t.Error("nothing became something")
	}
}

// TestAlike has names that become the same one, which is there as well.
func TestAlike(t *testing.T) {
	for range 20 {
		got := micro.Texts(map[string]string{"\xff": "a", "\uFFFD": "b", "\xfe": "c"})
		if diff := cmp.Diff(map[string]string{"\uFFFD": "b"}, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		got = micro.Texts(map[string]string{"\xff": "a", "\xfe": "\xfd"})
		if diff := cmp.Diff(map[string]string{"\uFFFD": "\uFFFD"}, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}
