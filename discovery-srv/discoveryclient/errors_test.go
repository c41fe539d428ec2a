package discoveryclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go-micro.dev/v5/client"

	"github.com/micro/platform/discovery-srv/discoveryclient"
)

// firstOf is the error of what is yielded first.
func firstOf[T any](seq func(func(T, error) bool)) error {
	for _, err := range seq {
		return err
	}
	return nil
}

func TestErrors(t *testing.T) {
	p := begin(t)
	of(t, p).up("s", "a")
	d := discoveryclient.New(p.Client)
	away := discoveryclient.New(client.NewClient(), discoveryclient.WithAddress("127.0.0.1:1"))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	get := func(ctx context.Context, d *discoveryclient.Client, name string, opts ...discoveryclient.GetOption) error {
		_, err := d.GetService(ctx, name, opts...)
		return err
	}
	drain := func(d *discoveryclient.Client, service, id, reason string) error {
		_, _, err := d.Drain(t.Context(), service, id, reason)
		return err
	}
	_, noNode := away.Node(t.Context())
	sentinels := []error{
		discoveryclient.ErrNotFound, discoveryclient.ErrWriteOnly, discoveryclient.ErrFull, discoveryclient.ErrSeen, discoveryclient.ErrUnavailable,
		context.Canceled, context.DeadlineExceeded,
	}
	unavailable := []error{discoveryclient.ErrUnavailable}
	for _, tt := range []struct {
		name string
		err  error
		text string // how it begins
		code string
		is   []error
	}{
		{"no service", get(t.Context(), d, "x"), `discovery get service "x": no such service`, "not_found", []error{discoveryclient.ErrNotFound}},
		{"invalid name", get(t.Context(), d, ""), `discovery get service: service: 0 bytes long, want 1 to 200`, "invalid_argument", nil},
		{"invalid filter", get(t.Context(), d, "s", discoveryclient.WithZones(make([]string, 17)...)), `discovery get service "s": filter.zones: 17 of them`, "invalid_argument", nil},
		{"invalid prefix", firstOf(d.Services(t.Context(), strings.Repeat("x", 201))), `discovery list services "xxx`, "invalid_argument", nil},
		{"no instance", drain(d, "s", "b", ""), `discovery drain "s b": no such instance`, "not_found", []error{discoveryclient.ErrNotFound}},
		{"invalid reason", drain(d, "s", "a", strings.Repeat("x", 257)), `discovery drain "s a": reason: `, "invalid_argument", nil},
		{"nothing to deregister", d.Deregister(t.Context(), "s", "b", ""), `discovery deregister "s b": no such instance`, "not_found", []error{discoveryclient.ErrNotFound}},
		{"no timeline", firstOf(d.Timeline(t.Context(), "s", "b")), `discovery read timeline "s b": nothing is known`, "not_found", []error{discoveryclient.ErrNotFound}},
		{"canceled", get(canceled, d, "s"), `discovery get service "s": context canceled`, "canceled", []error{context.Canceled}},
		{"late", get(late, d, "s"), `discovery get service "s": context deadline exceeded`, "deadline_exceeded", []error{discoveryclient.ErrUnavailable, context.DeadlineExceeded}},
		{"nobody listens", get(t.Context(), away, "s"), `discovery get service "s": connection error: dial tcp`, "unavailable", unavailable},
		{"nobody listens to a list", firstOf(away.Services(t.Context(), "")), `discovery list services: connection error: dial tcp`, "unavailable", unavailable},
		{"no node", noNode, `discovery get node: connection error: dial tcp`, "unavailable", unavailable},
		{"nobody drains", drain(away, "s", "a", ""), `discovery drain "s a": connection error: dial tcp`, "unavailable", unavailable},
		{"nobody deregisters", away.Deregister(t.Context(), "s", "a", ""), `discovery deregister "s a": connection error: dial tcp`, "unavailable", unavailable},
		{"invalid watch", firstOf(d.Watch(t.Context(), "")), `discovery watch: services[0]`, "invalid_argument", nil},
		{"canceled watch", firstOf(d.Watch(canceled)), `discovery watch: context canceled`, "canceled", []error{context.Canceled}},
		{"late watch", firstOf(d.Watch(late, "s")), `discovery watch "s": context deadline exceeded`, "deadline_exceeded", []error{discoveryclient.ErrUnavailable, context.DeadlineExceeded}},
	} {
		var e *discoveryclient.Error
		if !errors.As(tt.err, &e) || e.Code != tt.code || !strings.HasPrefix(e.Error(), tt.text) {
			t.Errorf("%s: got %v %+v, want code %s, %s", tt.name, tt.err, e, tt.code, tt.text)
			continue
		}
		var is []error
		for _, s := range sentinels {
			if errors.Is(tt.err, s) {
				is = append(is, s)
			}
		}
		if diff := cmp.Diff(tt.is, is, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s is (-want +got):\n%s", tt.name, diff)
		}
	}
}
