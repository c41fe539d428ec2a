package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// begin is when the clock of most tests stands still.
var begin = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// open returns a catalog whose clock stands still.
func open(o catalog.Options) *catalog.Catalog {
	o.Now = func() time.Time { return begin }
	return catalog.New(o)
}

var (
	shop = catalog.Name{Namespace: "default", Service: "shop"}
	cart = catalog.Name{Namespace: "default", Service: "cart"}
)

func instance(id, version string) *discoverypb.Instance {
	return &discoverypb.Instance{
		Id: id, Address: "10.0.0.1:80", Version: version, Status: discoverypb.Status_STATUS_UP,
		Metadata: map[string]string{"id": id},
	}
}

func event(what discoverypb.Event_Type) *discoverypb.Event { return &discoverypb.Event{Type: what} }

// failer is a test, or a case that rapid has made up.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func put(t failer, c *catalog.Catalog, n catalog.Name, id, version string) {
	t.Helper()
	if _, err := c.Put(n, instance(id, version), event(discoverypb.Event_TYPE_REGISTERED)); err != nil {
		t.Fatalf("put %v %s: %v", n, id, err)
	}
}

func remove(t failer, c *catalog.Catalog, n catalog.Name, id string) {
	t.Helper()
	if c.Remove(catalog.ID{Name: n, Instance: id}, event(discoverypb.Event_TYPE_DEREGISTERED)) == nil {
		t.Fatalf("remove %v %s: it is not there", n, id)
	}
}

// ids are those of the instances of a service.
func ids(c *catalog.Catalog, n catalog.Name, after string) (all []string) {
	c.Instances(n, after, func(i *discoverypb.Instance) bool {
		all = append(all, i.GetId())
		return true
	})
	return all
}

func TestPut(t *testing.T) {
	c := open(catalog.Options{})
	first := c.Stats().Index
	if first>>31 != uint64(begin.Unix()) {
		t.Errorf("index begins at %d, want it in the second of %v", first, begin)
	}
	put(t, c, shop, "b", "1")
	put(t, c, shop, "a", "1")
	want := instance("a", "1")
	want.Index, want.UpdateTime = first+2, timestamppb.New(begin)
	if diff := cmp.Diff(want, c.Get(catalog.ID{Name: shop, Instance: "a"}), protocmp.Transform()); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}

	again := instance("a", "1")
	again.UpdateTime = timestamppb.New(begin.Add(time.Hour))
	if changed, err := c.Put(shop, again, event(discoverypb.Event_TYPE_CHANGED)); changed || err != nil {
		t.Errorf("the same again: changed %v, error %v, want neither", changed, err)
	}
	if got := c.Stats().Index; got != first+2 {
		t.Errorf("the same again: index %d, want %d", got, first+2)
	}
	if got, _ := c.Timeline(shop, "a", 0, 10); len(got) != 1 {
		t.Errorf("the same again: events %v, want the first alone", got)
	}

	other := instance("a", "2")
	other.UpdateTime = timestamppb.New(begin.Add(time.Hour))
	if changed, err := c.Put(shop, other, event(discoverypb.Event_TYPE_CHANGED)); !changed || err != nil {
		t.Errorf("another version: changed %v, error %v, want a change", changed, err)
	}
	if got := c.Get(catalog.ID{Name: shop, Instance: "a"}); !got.GetUpdateTime().AsTime().Equal(begin.Add(time.Hour)) {
		t.Errorf("update time: got %v, want what was put", got.GetUpdateTime().AsTime())
	}
	if diff := cmp.Diff([]string{"a", "b"}, ids(c, shop, "")); diff != "" {
		t.Errorf("Instances (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, ids(c, shop, "a")); diff != "" {
		t.Errorf("Instances after a (-want +got):\n%s", diff)
	}
	if c.Instances(cart, "", func(*discoverypb.Instance) bool { return true }) {
		t.Error("Instances of no service: got true")
	}
}

// TestEachFieldIsAChange changes one field after the other.
func TestEachFieldIsAChange(t *testing.T) {
	c := open(catalog.Options{})
	ours := map[string]bool{"id": true, "index": true, "update_time": true} // what names it, and what the catalog sets
	i := &discoverypb.Instance{Id: "a"}
	if _, err := c.Put(shop, proto.CloneOf(i), event(discoverypb.Event_TYPE_REGISTERED)); err != nil {
		t.Fatal(err)
	}
	fill := &discoverypb.Instance{
		Address: "10.0.0.1:80", Version: "1", Zone: "a", Weight: 7, Metadata: map[string]string{"a": "b"}, ServiceMetadata: map[string]string{"a": "b"},
		Endpoints: []*discoverypb.Endpoint{{Name: "KV.Get"}}, Status: 1, InstanceStatus: 1, OperatorStatus: 1, StatusReason: "why", Source: 1,
		RegisterTime: timestamppb.New(begin), Ttl: durationpb.New(time.Second),
	}
	fields := i.ProtoReflect().Descriptor().Fields()
	for at := range fields.Len() {
		f := fields.Get(at)
		if ours[string(f.Name())] {
			continue
		}
		if !fill.ProtoReflect().Has(f) {
			t.Fatalf("%s: the test has no value for it", f.Name())
		}
		i.ProtoReflect().Set(f, fill.ProtoReflect().Get(f))
		if changed, err := c.Put(shop, proto.CloneOf(i), event(discoverypb.Event_TYPE_CHANGED)); !changed || err != nil {
			t.Errorf("%s: changed %v, error %v, want a change", f.Name(), changed, err)
		}
	}
}

func TestFull(t *testing.T) {
	const most = 16 << 10
	c := open(catalog.Options{MaxBytes: most})
	var n int
	for ; ; n++ {
		changed, err := c.Put(shop, instance(fmt.Sprint(n), "1"), event(discoverypb.Event_TYPE_REGISTERED))
		if errors.Is(err, catalog.ErrFull) && !changed {
			break
		}
		if err != nil || n > 16 {
			t.Fatalf("put %d: %v, want room for a while and then ErrFull", n, err)
		}
	}
	full := c.Stats()
	if n < 10 || full.Instances != n || full.Bytes > most {
		t.Errorf("full with %d: %+v", n, full)
	}
	if got := ids(c, shop, ""); len(got) != n {
		t.Errorf("what found no room left %d instances, want %d", len(got), n)
	}
	large := instance("0", "1")
	large.Metadata = map[string]string{"a": string(make([]byte, most))}
	if _, err := c.Put(shop, large, event(discoverypb.Event_TYPE_CHANGED)); !errors.Is(err, catalog.ErrFull) {
		t.Errorf("one that grows: got %v, want ErrFull", err)
	}
	put(t, c, shop, "0", "2") // no larger
	if got := c.Stats().Bytes; got != full.Bytes {
		t.Errorf("another version: %d bytes, want %d as before", got, full.Bytes)
	}
	for i := range n {
		drained := instance(fmt.Sprint(i), "2")
		drained.Status, drained.InstanceStatus, drained.OperatorStatus = discoverypb.Status_STATUS_DRAINING, discoverypb.Status_STATUS_UP, discoverypb.Status_STATUS_DRAINING
		drained.StatusReason, drained.UpdateTime = strings.Repeat("r", 256), timestamppb.New(begin.Add(time.Hour+999_999_999))
		if _, err := c.Put(shop, drained, event(discoverypb.Event_TYPE_STATUS)); err != nil {
			t.Errorf("another status: %v, want that there is always room for it", err)
		}
	}
	if got := c.Stats().Bytes; got != full.Bytes {
		t.Errorf("other statuses: %d bytes, want %d as before", got, full.Bytes)
	}
	long := instance("0", "2")
	long.StatusReason = strings.Repeat("r", most)
	if _, err := c.Put(shop, long, event(discoverypb.Event_TYPE_STATUS)); !errors.Is(err, catalog.ErrFull) {
		t.Errorf("a status with a reason that is longer than any: got %v, want ErrFull", err)
	}
	for i := range n {
		remove(t, c, shop, fmt.Sprint(i))
	}
	if got := c.Stats(); got.Bytes != 0 || got.Instances != 0 || got.Services != 0 {
		t.Errorf("all removed: %+v, want nothing", got)
	}
	for i := range n {
		put(t, c, shop, fmt.Sprint(i), "1")
	}
	if got := c.Stats().Bytes; got != full.Bytes {
		t.Errorf("all put again: %d bytes, want %d as before", got, full.Bytes)
	}
}

// TestMemoryIsShared looks whether instances that say the same take one piece of memory.
func TestMemoryIsShared(t *testing.T) {
	c := open(catalog.Options{})
	say := func(id string) *discoverypb.Instance {
		return &discoverypb.Instance{Id: id, Endpoints: []*discoverypb.Endpoint{{Name: "KV.Get", Metadata: map[string]string{"a": "b"}}}}
	}
	for _, id := range []string{"a", "b"} {
		if _, err := c.Put(shop, say(id), event(discoverypb.Event_TYPE_REGISTERED)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := c.Get(catalog.ID{Name: shop, Instance: "a"}), c.Get(catalog.ID{Name: shop, Instance: "b"})
	if a.GetEndpoints()[0] != b.GetEndpoints()[0] {
		t.Error("two instances have endpoints of their own, want the same")
	}
}

func TestSummary(t *testing.T) {
	c := open(catalog.Options{})
	for i := range 30 {
		in := instance(fmt.Sprintf("%02d", i), fmt.Sprintf("v%02d", 29-i))
		in.Status, in.Zone = discoverypb.Status(i%3+1), []string{"", "b", "a"}[i%3]
		if i < 4 {
			in.Source = discoverypb.Source_SOURCE_SEEN
		}
		in.UpdateTime = timestamppb.New(begin.Add(time.Duration(i) * time.Second))
		if _, err := c.Put(shop, in, event(discoverypb.Event_TYPE_REGISTERED)); err != nil {
			t.Fatal(err)
		}
	}
	want := &discoverypb.ServiceSummary{
		Namespace: "default", Service: "shop", Zones: []string{"a", "b"}, Up: 10, Draining: 10, OutOfService: 10, Seen: 4,
		UpdateTime: timestamppb.New(begin.Add(29 * time.Second)),
	}
	for i := range 20 {
		want.Versions = append(want.Versions, fmt.Sprintf("v%02d", i))
	}
	got, more := c.Services("default", "", catalog.Name{}, 10)
	if diff := cmp.Diff([]*discoverypb.ServiceSummary{want}, got, protocmp.Transform()); diff != "" || more {
		t.Errorf("more %v (-want +got):\n%s", more, diff)
	}
}

// TestFullIsTold fills a catalog, and has it refuse again and again.
func TestFullIsTold(t *testing.T) {
	now := begin
	var told []string
	c := catalog.New(catalog.Options{
		MaxBytes: 1500, Now: func() time.Time { return now },
		Full: func(id catalog.ID) {
			told = append(told, fmt.Sprint(id.Service, " ", id.Instance, " at ", now.Sub(begin)))
		},
	})
	put(t, c, shop, "0", "1")
	for i := range 241 {
		now = begin.Add(time.Duration(i) * time.Second / 2)
		if _, err := c.Put(cart, instance(fmt.Sprint(i), "1"), event(discoverypb.Event_TYPE_SEEN)); !errors.Is(err, catalog.ErrFull) {
			t.Fatalf("put %d: %v, want ErrFull", i, err)
		}
	}
	if diff := cmp.Diff([]string{"cart 0 at 0s", "cart 120 at 1m0s", "cart 240 at 2m0s"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got := c.Stats(); got.Full != 241 || !got.FullAt.Equal(begin.Add(2*time.Minute)) || got.Instances != 1 {
		t.Errorf("got %+v, want 241 that found no room", got)
	}
}
