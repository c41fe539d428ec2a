package below_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/micro/platform/discovery-srv/internal/below"
	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// plain is what an application registers that knows nothing of discovery.
func plain(t *testing.T, r registry.Registry, name, id string, metadata map[string]string) *registry.Service {
	t.Helper()
	s := &registry.Service{Name: name, Version: "1", Nodes: []*registry.Node{{Id: id, Address: "10.0.0.1:80", Metadata: metadata}}}
	if err := r.Register(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPlain sees what others put there, by looking and by being told.
func TestPlain(t *testing.T) {
	for name, o := range map[string]below.Options{"looks": {}, "is told": {Watches: true, Look: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			r := registry.NewMemoryRegistry()
			plain(t, r, "shop", "early", nil)
			o.Registry, o.Owner = r, "a"
			n := run(t, o)
			eventually(t, "seen", func() bool { return len(n.ids()) == 1 })
			s := plain(t, r, "shop", "one", map[string]string{"k": "v", "\xff": "\xff"})
			eventually(t, "seen", func() bool { return len(n.ids()) == 2 })
			i, mine := n.get(one)
			want := &discoverypb.Instance{
				Id: "one", Address: "10.0.0.1:80", Version: "1", Weight: 100, Metadata: map[string]string{"k": "v", "\uFFFD": "\uFFFD"},
				Status: up, InstanceStatus: up, Source: discoverypb.Source_SOURCE_SEEN,
			}
			if diff := cmp.Diff(want, i, protocmp.Transform()); diff != "" || mine {
				t.Errorf("mine %v (-want +got):\n%s", mine, diff)
			}
			if err := r.Deregister(s); err != nil {
				t.Fatal(err)
			}
			eventually(t, "gone", func() bool { return len(n.ids()) == 1 })
		})
	}
}

// TestForeignNames: whatever is registered there, those are seen whose names the contract
// allows; what says badly that a node has put it there is as anybody's.
func TestForeignNames(t *testing.T) {
	r := registry.NewMemoryRegistry()
	const key = "platform-discovery"
	marked := `{"owner":"b","proof":"p","namespace":"team","service":"shop","id":"one","weight":5,"own":2,"operator":99,"ttl":-1}`
	for _, s := range []struct {
		name, id, mark string
	}{
		{"anything", "x", marked},
		{"go.micro/srv~shop:80", "a b", ""},
		{"~ours", "~z", ""},
		{"team:ours", "z", ""},
		{"half", "one", `{"owner":"b","namespace":"team"}`},
		{"broken", "one", `{`},
		{"nobody", "one", `{"owner":"","namespace":"team","service":"shop","id":"two"}`},

		{"line\nbreak", "one", ""},
		{strings.Repeat("n", 201), "one", ""},
		{"bytes\xff", "one", ""},
		{"ids", "../one", ""},
		{"marked", "one", `{"owner":"b","namespace":"team","service":"a//b","id":"one"}`},
		{"large", "one", `"` + strings.Repeat("x", 301<<10) + `"`},
	} {
		var metadata map[string]string
		if s.mark != "" {
			metadata = map[string]string{key: s.mark}
		}
		plain(t, r, s.name, s.id, metadata)
	}
	n := run(t, below.Options{Registry: r, Owner: "a"})
	eventually(t, "seen", func() bool { return len(n.ids()) >= 7 })
	plain(t, r, "last", "one", nil) // what comes with it was looked at before
	eventually(t, "seen", func() bool {
		return slices.ContainsFunc(n.ids(), func(id catalog.ID) bool { return id.Service == "last" })
	})
	var got []string
	for _, id := range n.ids() {
		i, _ := n.get(id)
		got = append(got, id.Namespace+" "+id.Service+" "+id.Instance+" "+i.GetSource().String())
	}
	slices.Sort(got)
	want := []string{
		"default broken one SOURCE_SEEN",
		"default go.micro/srv~shop:80 a b SOURCE_SEEN",
		"default half one SOURCE_SEEN",
		"default last one SOURCE_SEEN",
		"default nobody one SOURCE_SEEN",
		"default team:ours z SOURCE_SEEN",
		"default ~ours ~z SOURCE_SEEN",
		"team shop one SOURCE_PEER",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if i, _ := n.get(catalog.ID{Name: catalog.Name{Namespace: "team", Service: "shop"}, Instance: "one"}); i.GetWeight() != 5 || len(i.GetMetadata()) != 0 {
		t.Errorf("got %v", i)
	}
}
