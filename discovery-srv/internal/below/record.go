package below

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"go-micro.dev/v5/registry"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/micro/platform/discovery-srv/internal/catalog"
	"github.com/micro/platform/discovery-srv/internal/micro"
	"github.com/micro/platform/internal/registries/record"
	"github.com/micro/platform/internal/resource"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// markKey is where the metadata of a node has what a registry has no place for. Who has it
// was put there by a write node.
const markKey = "platform-discovery"

// mark is all of an instance that a record does not say otherwise.
type mark struct {
	Owner      string `json:"owner"` // the write node that has the lease
	Proof      string `json:"proof"` // of the lease: who reads the registry is not to have that
	Namespace  string `json:"namespace"`
	Service    string `json:"service"`
	ID         string `json:"id"`
	Zone       string `json:"zone,omitempty"`
	Weight     uint32 `json:"weight"`
	TTL        int64  `json:"ttl"`      // milliseconds
	Own        int32  `json:"own"`      // the status that the instance has
	Operator   int32  `json:"operator"` // and the one of an operator
	Reason     string `json:"reason,omitempty"`
	Registered int64  `json:"registered"` // microseconds since 1970
	Updated    int64  `json:"updated"`
}

// name is that of a service in the registry. Who does not want calls stands under a name of
// its own, where those who only know the registry do not find it.
func name(n catalog.Name, s discoverypb.Status) string {
	full := n.Service
	if n.Namespace != resource.DefaultNamespace {
		full = n.Namespace + ":" + full
	}
	if s != discoverypb.Status_STATUS_UP {
		full = apart + full
	}
	return full
}

// apart begins the names of who does not want calls.
const apart = "~"

// moves is the name that an instance moves to from a name, when it begins to want calls or
// ends to.
func moves(from string) string {
	if wanted, ok := strings.CutPrefix(from, apart); ok {
		return wanted
	}
	return apart + from
}

// node is the ID of a record. That under another name is another: in Consul it would replace
// the first, and go with it.
func node(i *discoverypb.Instance) string {
	if i.GetStatus() != discoverypb.Status_STATUS_UP {
		return apart + i.GetId()
	}
	return i.GetId()
}

// encode is the record of an instance.
func encode(n catalog.Name, i *discoverypb.Instance, by peer) (*registry.Service, error) {
	text, err := json.Marshal(mark{
		Owner: by.owner, Proof: by.proof, Namespace: n.Namespace, Service: n.Service, ID: i.GetId(), Zone: i.GetZone(), Weight: i.GetWeight(),
		TTL: i.GetTtl().AsDuration().Milliseconds(), Own: int32(i.GetInstanceStatus()), Operator: int32(i.GetOperatorStatus()),
		Reason: i.GetStatusReason(), Registered: i.GetRegisterTime().AsTime().UnixMicro(), Updated: i.GetUpdateTime().AsTime().UnixMicro(),
	})
	if err != nil {
		return nil, err
	}
	metadata := maps.Clone(i.GetMetadata())
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[markKey] = string(text)
	return &registry.Service{
		Name: name(n, i.GetStatus()), Version: i.GetVersion(), Metadata: i.GetServiceMetadata(), Endpoints: micro.EndpointsTo(i.GetEndpoints()),
		Nodes: []*registry.Node{{Id: node(i), Address: i.GetAddress(), Metadata: metadata}},
	}, nil
}

// decode is the instance of a record, and the write node that owns it: none where somebody
// else has put it there. It returns false for what the contract does not allow.
func decode(s *registry.Service, node *registry.Node) (id catalog.ID, i *discoverypb.Instance, by peer, ok bool) {
	id = catalog.ID{Name: catalog.Name{Namespace: resource.DefaultNamespace, Service: s.Name}, Instance: node.Id}
	i = &discoverypb.Instance{
		Id: node.Id, Address: micro.Text(node.Address), Version: micro.Text(s.Version), Weight: usualWeight, Metadata: micro.Texts(node.Metadata),
		ServiceMetadata: micro.Texts(s.Metadata), Endpoints: micro.EndpointsFrom(s.Endpoints),
		Status: discoverypb.Status_STATUS_UP, InstanceStatus: discoverypb.Status_STATUS_UP, Source: discoverypb.Source_SOURCE_SEEN,
	}
	var m mark
	if text, marked := i.GetMetadata()[markKey]; marked && json.Unmarshal([]byte(text), &m) == nil && m.Service != "" && m.ID != "" && m.Owner != "" {
		id.Instance, i.Id = m.ID, m.ID
		by, id.Name = peer{m.Owner, m.Proof}, catalog.Name{Namespace: m.Namespace, Service: m.Service}
		m.into(i)
	}
	return id, i, by, allowed(id.Service) && allowed(id.Instance) && proto.Size(i) <= maxSize
}

func (m mark) into(i *discoverypb.Instance) {
	delete(i.GetMetadata(), markKey)
	i.Zone, i.Weight, i.StatusReason = micro.Text(m.Zone), m.Weight, micro.Text(m.Reason)
	i.InstanceStatus, i.OperatorStatus = discoverypb.Status(m.Own), discoverypb.Status(m.Operator)
	i.Ttl = durationpb.New(time.Duration(m.TTL) * time.Millisecond)
	i.RegisterTime, i.UpdateTime = timestamppb.New(time.UnixMicro(m.Registered)), timestamppb.New(time.UnixMicro(m.Updated))
	i.Source = discoverypb.Source_SOURCE_PEER
	if i.Status = i.GetOperatorStatus(); i.GetStatus() == discoverypb.Status_STATUS_UNSPECIFIED {
		i.Status = i.GetInstanceStatus()
	}
}

// What a record may have: somewhat more than the contract, for names that it adds to.
const (
	maxName = 200
	maxSize = 300 << 10
)

func allowed(name string) bool {
	return name != "" && len(name) <= maxName && record.Name("name", name) == nil
}

// usualWeight is that of an instance that says nothing of it.
const usualWeight = 100
