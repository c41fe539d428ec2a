package console

import (
	"context"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/reflection"
	"github.com/micro/platform/internal/rpcerr"
)

// The parameters of pages.
const (
	ofName     = "name"
	ofService  = "service"
	ofMethod   = "method"
	atAddress  = "address"
	ofRequest  = "request"
	ofInstance = "instance"
)

// about is what the page of a service has.
type about struct {
	Name        string
	Pages       string
	Instances   instances
	Calls, Took page.Chart
	Endpoints   []endpoint
	NotCalled   string // why there is no form to call them
}

// endpoint is a method that can be called.
type endpoint struct{ Name, Kind, Request string }

func (c *console) service(ctx context.Context, r *page.Request) (page.Content, error) {
	s, err := c.find(r.Get(ofName))
	if err != nil {
		return page.Content{}, err
	}
	a := about{Name: s.Name, Instances: c.table(r, []fleet.Service{s})}
	if pages(c.fleet.Services())[feature(s.Name)].Name == s.Name {
		a.Pages = feature(s.Name) + "/"
	}
	a.Calls, a.Took = charts(c.fleet.History(s.Name))
	contract, err := c.contract(ctx, s, "")
	if err != nil {
		a.NotCalled = rpcerr.From(err).Message
		a.Endpoints = listed(s)
	} else {
		for _, m := range contract.Methods() {
			a.Endpoints = append(a.Endpoints, endpoint{contract.Name(m), reflection.Kind(m), reflection.Skeleton(m.Input())})
		}
	}
	return page.Content{Title: s.Name, Crumbs: crumbs(), Data: a}, nil
}

func crumbs(more ...page.Link) []page.Link {
	return append([]page.Link{{Href: "./", Text: "Services"}}, more...)
}

// find returns a service that is known.
func (c *console) find(name string) (fleet.Service, error) {
	all := c.fleet.Services()
	i := slices.IndexFunc(all, func(s fleet.Service) bool { return s.Name == name })
	if i < 0 {
		return fleet.Service{}, rpcerr.New(codes.NotFound, "console.no_service", "no service %q is known now", page.Cut(name, 100))
	}
	return all[i], nil
}

// listed are the endpoints that the registry has.
func listed(s fleet.Service) []endpoint {
	var all []endpoint
	for _, i := range s.Instances {
		for _, name := range i.Endpoints {
			if !slices.ContainsFunc(all, func(e endpoint) bool { return e.Name == name }) {
				all = append(all, endpoint{Name: name})
			}
		}
	}
	return all
}

// charts shows how a service was called.
func charts(history []fleet.Point) (calls, took page.Chart) {
	n := len(history)
	times := make([]time.Time, n)
	series := func(name string, of func(fleet.Load) float64) page.Series {
		s := page.Series{Name: name, Values: make([]float64, n)}
		for i, p := range history {
			s.Values[i] = math.NaN()
			if p.Load.Known {
				s.Values[i] = of(p.Load)
			}
		}
		return s
	}
	for i, p := range history {
		times[i] = p.Time
	}
	milliseconds := func(d time.Duration) float64 {
		if d == 0 { // nobody has called
			return math.NaN()
		}
		return float64(d) / float64(time.Millisecond)
	}
	calls = page.Chart{ID: "calls", Title: "Calls", Unit: "/s", Times: times, Series: []page.Series{
		series("calls", func(l fleet.Load) float64 { return l.Calls }),
		series("errors", func(l fleet.Load) float64 { return l.Errors }),
	}}
	took = page.Chart{ID: "took", Title: "How long they take", Unit: " ms", Times: times, Series: []page.Series{
		series("p50", func(l fleet.Load) float64 { return milliseconds(l.P50) }),
		series("p99", func(l fleet.Load) float64 { return milliseconds(l.P99) }),
	}}
	return calls, took
}
