// Package sd tells Prometheus which instances there are (HTTP service discovery).
package sd

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/internal/port"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Path is where Handler is served.
const Path = "GET /prometheus/sd"

// Call makes a unary call for whoever sent r, and fills rsp.
type Call func(ctx context.Context, r *http.Request, endpoint string, req, rsp proto.Message) error

// Handler returns what answers with a list of targets, one group for each instance, as it
// reads them page by page. Where a page is refused once the answer has begun, the connection
// ends: Prometheus keeps the targets that it has.
func Handler(call Call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := readQuery(r.URL.RawQuery)
		if err != nil {
			port.WriteError(w, err)
			return
		}
		a := &answer{query: q, call: func(endpoint string, req, rsp proto.Message) error { return call(r.Context(), r, endpoint, req, rsp) }, out: newList(w)}
		if err = a.run(); err == nil {
			err = a.out.end()
		}
		switch {
		case err != nil && a.out.sent:
			panic(http.ErrAbortHandler)
		case err != nil:
			port.WriteError(w, named(err))
		}
	})
}

// answer is one request and what it gets.
type answer struct {
	query query
	call  func(endpoint string, req, rsp proto.Message) error
	out   *list
}

func (a *answer) run() error {
	for _, service := range a.query.services {
		if err := a.service(service); err != nil {
			return err
		}
	}
	if len(a.query.services) > 0 {
		return nil
	}
	req := &discoverypb.ListServicesRequest{Namespace: a.query.namespace, PageSize: maxPage}
	for {
		var rsp discoverypb.ListServicesResponse
		if err := a.call("Registry.ListServices", req, &rsp); err != nil {
			return err
		}
		for _, s := range rsp.GetServices() {
			if err := a.service(s.GetService()); err != nil {
				return err
			}
		}
		if rsp.GetNextPageToken() == "" {
			return nil
		}
		req.PageToken = rsp.GetNextPageToken()
	}
}

const maxPage = 1000

// service writes the instances of one. That there is none is no error: it may come.
func (a *answer) service(name string) error {
	req := &discoverypb.GetServiceRequest{Namespace: a.query.namespace, Service: name, Filter: a.query.filter}
	for {
		var rsp discoverypb.GetServiceResponse
		err := a.call("Registry.GetService", req, &rsp)
		if rpcerr.Code(err) == codes.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		for _, i := range rsp.GetInstances() {
			if err := a.out.add(a.query.namespace, name, i); err != nil {
				return err
			}
		}
		if rsp.GetNextPageToken() == "" {
			return nil
		}
		req.PageToken = rsp.GetNextPageToken()
	}
}
