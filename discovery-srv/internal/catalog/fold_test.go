package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// TestFolded: services are found without their case and by the ends of their names, as long
// as they have instances.
func TestFolded(t *testing.T) {
	c := catalog.New(catalog.Options{})
	put := func(services ...string) {
		for _, s := range services {
			for _, id := range []string{"1", "2"} {
				i := &discoverypb.Instance{Id: id, Address: "192.0.2.1:80"}
				if _, err := c.Put(catalog.Name{Namespace: "a", Service: s}, i, &discoverypb.Event{}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remove := func(services ...string) {
		for _, s := range services {
			for _, id := range []string{"1", "2"} {
				c.Remove(catalog.ID{Name: catalog.Name{Namespace: "a", Service: s}, Instance: id}, &discoverypb.Event{})
			}
		}
	}
	want := func(want string) {
		t.Helper()
		var got []string
		for _, s := range []string{"", "x", "y.x", ".", "z.y.x", "KELVİN"} {
			all, below := c.Folded(catalog.Name{Namespace: "a", Service: s})
			if len(all) > 0 || below {
				got = append(got, fmt.Sprintf("%q%v%v", s, all, below))
			}
		}
		if all, below := c.Folded(catalog.Name{Namespace: "b", Service: "x"}); len(all) > 0 || below {
			t.Errorf("in another namespace: %v, %v", all, below)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %s\nwant %s", strings.Join(got, " "), want)
		}
	}
	want("")
	put("Z.Y.x", "z.y.X")
	want(`""[]true "x"[]true "y.x"[]true "z.y.x"[Z.Y.x z.y.X]false`)
	put("x", "..", "X")
	want(`""[]true "x"[X x]true "y.x"[]true "."[]true "z.y.x"[Z.Y.x z.y.X]false`)
	remove("Z.Y.x", "none", "X")
	want(`""[]true "x"[x]true "y.x"[]true "."[]true "z.y.x"[z.y.X]false`)
	remove("z.y.X", "..")
	want(`""[]true "x"[x]false`)
	remove("x")
	want("")
	put("x")
	want(`""[]true "x"[x]false`)
}
