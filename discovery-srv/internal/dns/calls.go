package dns

import (
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// maxInstances is more than a message has room for.
const maxInstances = 5000

// namespace tells whether one has services.
func (t *talk) namespace(name string) (bool, error) {
	var rsp discoverypb.ListServicesResponse
	err := t.caller.Call("Registry.ListServices", &discoverypb.ListServicesRequest{Namespace: name, PageSize: 1}, &rsp)
	return len(rsp.GetServices()) > 0, err
}

// instances returns those that are to be called, in any order: of all services whose names
// are the same to DNS those that are up, or else those that drain.
func (t *talk) instances(n catalog.Name) ([]*discoverypb.Instance, error) {
	services, _ := t.server.conf.Folded(n)
	if len(services) == 0 {
		services = []string{n.Service} // for the chain to see
	}
	var up, draining []*discoverypb.Instance
	found := false
	for _, service := range services {
		err := t.pages(n.Namespace, service, func(i *discoverypb.Instance) bool {
			if i.GetStatus() == discoverypb.Status_STATUS_DRAINING {
				draining = append(draining, i)
			} else {
				up = append(up, i)
			}
			return len(up)+len(draining) < maxInstances
		})
		if err != nil && (rpcerr.Code(err) != codes.NotFound || len(services) == 1) {
			return nil, err
		}
		found = found || err == nil
	}
	if !found {
		return nil, rpcerr.New(codes.NotFound, "discovery.not_found", "no such service")
	}
	if len(up) == 0 {
		up = draining
	}
	t.server.conf.Shuffle(len(up), func(i, j int) { up[i], up[j] = up[j], up[i] })
	return up, nil
}

// pages calls yield with the instances of a service that take calls, until it returns false.
func (t *talk) pages(namespace, service string, yield func(*discoverypb.Instance) bool) error {
	req := &discoverypb.GetServiceRequest{
		Namespace: namespace, Service: service,
		Filter: &discoverypb.Filter{Statuses: []discoverypb.Status{discoverypb.Status_STATUS_UP, discoverypb.Status_STATUS_DRAINING}},
	}
	for {
		var rsp discoverypb.GetServiceResponse
		if err := t.caller.Call("Registry.GetService", req, &rsp); err != nil {
			return err
		}
		for _, i := range rsp.GetInstances() {
			if !yield(i) {
				return nil
			}
		}
		if rsp.GetNextPageToken() == "" {
			return nil
		}
		req.PageToken = rsp.GetNextPageToken()
	}
}
