package page

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/page"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// eventList is a part of what happened to a service.
type eventList struct {
	Name  name
	All   []eventRow
	Pager page.Pager
}

// eventRow is an event in words.
type eventRow struct {
	*discoverypb.Event

	Name       name
	Anchor     string
	Kind       string
	Says, Look string // the status then
}

func rows(n name, all []*discoverypb.Event) []eventRow {
	out := make([]eventRow, 0, len(all))
	for _, e := range all {
		row := eventRow{Event: e, Name: n, Kind: strings.ToLower(strings.TrimPrefix(e.GetType().String(), "TYPE_"))}
		row.Anchor = anchor("e", strconv.FormatInt(e.GetTime().AsTime().UnixNano(), 10), row.Kind, e.GetInstanceId())
		row.Says, row.Look = inWords(e.GetStatus())
		out = append(out, row)
	}
	return out
}

// timeline of a service of which nothing is known is not found, and fills by itself.
func timeline(ctx context.Context, r *page.Request) (page.Content, error) {
	n := nameOf(r)
	c := page.Content{Title: "Timeline", Crumbs: n.way()}
	rsp, err := page.Call[discoverypb.TimelineResponse](ctx, r, "Registry.Timeline", &discoverypb.TimelineRequest{
		Namespace: n.Namespace, Service: n.Service, PageSize: pageSize, PageToken: r.After(),
	})
	if missing(err) {
		c.Status, c.Data = http.StatusNotFound, eventList{Name: n}
		return c, nil
	}
	c.Data = eventList{n, rows(n, rsp.GetEvents()), r.Pager(rsp.GetNextPageToken())}
	return c, err
}
