package handler_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/micro/platform/internal/rpcerr"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/apart"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

func TestListNamespaces(t *testing.T) {
	h := open(t, memory.Options{})
	req := &kvpb.ListNamespacesRequest{PageSize: 3}
	if got := must[*kvpb.ListNamespacesResponse](t, h, req); len(got.GetNamespaces()) > 0 || got.GetNextPageToken() != "" {
		t.Errorf("an empty store has %v", got)
	}
	var want []*kvpb.Namespace
	for i := range 7 {
		name := fmt.Sprint("ns", i)
		must[*kvpb.PutResponse](t, h, &kvpb.PutRequest{Namespace: name, Key: "k", Value: make([]byte, i)})
		want = append(want, &kvpb.Namespace{Name: name, Keys: new(int64(1)), Bytes: new(int64(1 + i))})
	}
	var got []*kvpb.Namespace
	for pages := 1; ; pages++ {
		rsp := must[*kvpb.ListNamespacesResponse](t, h, req)
		got = append(got, rsp.GetNamespaces()...)
		if req.PageToken = rsp.GetNextPageToken(); req.GetPageToken() == "" {
			if pages != 3 {
				t.Errorf("%d pages of 3, want 3", pages)
			}
			break
		}
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzNamespacesToken makes up what a token goes on after: it is refused, or a namespace.
func FuzzNamespacesToken(f *testing.F) {
	h := alsoIn(f, alsoIn(f, open(f, memory.Options{}), "b"), "c")
	first := must[*kvpb.ListNamespacesResponse](f, h, &kvpb.ListNamespacesRequest{PageSize: 1})
	token, err := base64.RawURLEncoding.DecodeString(first.GetNextPageToken())
	if err != nil {
		f.Fatal(err)
	}
	mark := strings.TrimSuffix(string(token), "b")
	for _, name := range []string{"", "a", "b", "c", "B", "b\x00", "\xff", strings.Repeat("b", 64)} {
		f.Add(name)
	}
	valid := regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	f.Fuzz(func(t *testing.T, name string) {
		made := base64.RawURLEncoding.EncodeToString([]byte(mark + name))
		rsp, err := call(t.Context(), h, &kvpb.ListNamespacesRequest{PageToken: made})
		if (err == nil) != valid.MatchString(name) || err != nil && rpcerr.From(err).Field != "page_token" {
			t.Fatalf("%q: %v", name, err)
		}
		if err != nil {
			return
		}
		for _, n := range rsp.(*kvpb.ListNamespacesResponse).GetNamespaces() {
			if n.GetName() <= name {
				t.Errorf("after %q comes %s", name, n.GetName())
			}
		}
	})
}

// TestListNamespacesUnknown: what a backend cannot tell is unset.
func TestListNamespacesUnknown(t *testing.T) {
	cannot := broken{err: &store.UnsupportedError{Backend: "memcached", Op: "list namespaces", Have: []string{"memory"}}}
	var s apart.Store
	s.AddRest("memcached", cannot, "named")
	want := &kvpb.ListNamespacesResponse{
		Namespaces:      []*kvpb.Namespace{{Name: "named", Backend: "memcached"}},
		UnlistedBackend: "memcached",
	}
	got := must[*kvpb.ListNamespacesResponse](t, over(&s), &kvpb.ListNamespacesRequest{})
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
