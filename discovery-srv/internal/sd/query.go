package sd

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/check"
	"github.com/micro/platform/internal/resource"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// query is what a request asks for.
type query struct {
	namespace string
	services  []string // none: all there are
	filter    *discoverypb.Filter
}

const maxServices = 1000

func readQuery(raw string) (q query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, rpcerr.New(codes.InvalidArgument, "invalid_argument", "the query is not of the form service=greeter&zone=a")
	}
	var c check.Checks
	q.filter = &discoverypb.Filter{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := values[name]
		switch name {
		case "service":
			c.Count(name, len(all), maxServices)
			slices.Sort(all)
			q.services = slices.Compact(all)
		case "namespace":
			if len(all) > 1 {
				c.Fail(name, "%d of them, want one", len(all))
			}
			q.namespace = c.Namespace(all[0])
		case "zone":
			q.filter.Zones = all
		case "version":
			q.filter.Versions = all
		case "status":
			q.filter.Statuses = statuses(&c, all)
		default:
			c.Fail(name, "no such parameter (have namespace, service, status, version, zone)")
		}
	}
	if q.namespace == "" {
		q.namespace = resource.DefaultNamespace
	}
	if len(q.filter.GetStatuses()) == 0 {
		q.filter.Statuses = []discoverypb.Status{discoverypb.Status_STATUS_UP, discoverypb.Status_STATUS_DRAINING}
	}
	return q, c.Err
}

func statuses(c *check.Checks, words []string) (all []discoverypb.Status) {
	for _, w := range words {
		s := discoverypb.Status(discoverypb.Status_value["STATUS_"+strings.ToUpper(w)])
		if s == discoverypb.Status_STATUS_UNSPECIFIED || w != word(s) {
			c.Fail("status", "%q, want up, draining or out_of_service", w)
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// word is a status as a parameter and a label have it.
func word(s discoverypb.Status) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "STATUS_"))
}

// named has a complaint about a field name the parameter that the field comes from.
func named(err error) error {
	e, ok := errors.AsType[*rpcerr.Error](err)
	if !ok || e.Code != codes.InvalidArgument {
		return err
	}
	for field, parameter := range map[string]string{"filter.zones": "zone", "filter.versions": "version"} {
		if said, ok := strings.CutPrefix(e.Message, field+": "); ok {
			return rpcerr.Invalid(parameter, "%s", said)
		}
	}
	return err
}
