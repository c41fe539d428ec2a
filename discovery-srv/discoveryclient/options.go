package discoveryclient

import discoverypb "github.com/micro/platform/proto/micro/discovery/v1"

// The options of each call. What an option is good for can be seen from its methods:
// one that makes no sense for a call does not compile.
type (
	// GetOption is WithInstances, WithZones, WithVersions, WithMetadata, WithStatuses or SaveNode.
	GetOption interface{ get(*getting) }

	// ListOption is AllNamespaces or SaveNode.
	ListOption interface{ list(*listing) }
)

// filtering is what options say that choose instances.
type filtering func(*discoverypb.Filter)

func (f filtering) get(g *getting) { f(g.filter) }

// WithInstances chooses instances of some IDs, 16 at most; none: all.
func WithInstances(ids ...string) GetOption {
	return filtering(func(f *discoverypb.Filter) { f.InstanceIds = ids })
}

// WithZones chooses instances in one of some zones, 16 at most; none: in all.
func WithZones(zones ...string) GetOption {
	return filtering(func(f *discoverypb.Filter) { f.Zones = zones })
}

// WithVersions chooses instances of one of some versions, 16 at most; none: of all.
func WithVersions(versions ...string) GetOption {
	return filtering(func(f *discoverypb.Filter) { f.Versions = versions })
}

// WithMetadata chooses instances that have all of it, 16 pairs at most, as their own or of
// their service.
func WithMetadata(m map[string]string) GetOption {
	return filtering(func(f *discoverypb.Filter) { f.Metadata = m })
}

// WithStatuses chooses instances of one of some statuses; none: of all.
func WithStatuses(all ...Status) GetOption {
	return filtering(func(f *discoverypb.Filter) {
		f.Statuses = nil
		for _, s := range all {
			f.Statuses = append(f.Statuses, discoverypb.Status(s)) //nolint:gosec // a status is small
		}
	})
}

// AllNamespaces asks for the services of all namespaces, and not of one, ordered by these
// first.
func AllNamespaces() ListOption { return allNamespaces{} }

type allNamespaces struct{}

func (allNamespaces) list(l *listing) { l.req.Namespace, l.req.AllNamespaces = "", true }

// SaveNode sets *n, before the first service or instance, to what the node that answers
// knows of itself.
func SaveNode(n *Node) interface {
	GetOption
	ListOption
} {
	return saveNode{n}
}

type saveNode struct{ to *Node }

func (s saveNode) get(g *getting)  { g.node = s.to }
func (s saveNode) list(l *listing) { l.node = s.to }

// getting is what options say about GetService.
type getting struct {
	saving

	filter *discoverypb.Filter
}

// listing is what options say about Services.
type listing struct {
	saving

	req *discoverypb.ListServicesRequest
}

type saving struct{ node *Node }

func (s saving) save(p *discoverypb.NodeState) {
	if s.node != nil {
		*s.node = nodeOf(p)
	}
}
