package consul

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
	"go-micro.dev/v5/registry"
)

// What Consul has no field for stands in tags: a letter, a dash, and JSON, or of a version
// the text, compressed and in hex.
const (
	tagMetadata = "t-" // of the node, one pair in each
	tagEndpoint = "e-"
	tagVersion  = "v-"

	maxTag = 1 << 20 // bytes of one, when it is no longer compressed
)

// What Consul takes as metadata; what it does not take is in the tags all the same.
const (
	maxPairs = 64
	maxKey   = 128
	maxValue = 512
)

func tags(s *registry.Service, n *registry.Node) ([]string, error) {
	var all []string
	add := func(kind string, what any) error {
		b, err := json.Marshal(what)
		if err == nil {
			all = append(all, kind+compress(b))
		}
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(n.Metadata)) {
		if err := add(tagMetadata, map[string]string{k: n.Metadata[k]}); err != nil {
			return nil, fmt.Errorf("encode metadata of %s: %w", s.Name, err)
		}
	}
	for _, e := range s.Endpoints {
		if err := add(tagEndpoint, e); err != nil {
			return nil, fmt.Errorf("encode endpoint of %s: %w", s.Name, err)
		}
	}
	return append(all, tagVersion+compress([]byte(s.Version))), nil
}

// meta is for those who look at Consul itself.
func meta(md map[string]string) map[string]string {
	fit := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(md)) {
		if len(fit) < maxPairs && len(k) <= maxKey && len(md[k]) <= maxValue && word(k) && !strings.HasPrefix(k, "consul-") {
			fit[k] = md[k]
		}
	}
	return fit
}

func word(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// service reads one node. Tags that are none of go-micro's are left out.
func service(e *api.ServiceEntry) *registry.Service {
	host := e.Service.Address
	if host == "" {
		host = e.Node.Address
	}
	if e.Service.Port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(e.Service.Port))
	}
	n := &registry.Node{Id: e.Service.ID, Address: host, Metadata: map[string]string{}}
	s := &registry.Service{Name: e.Service.Service, Nodes: []*registry.Node{n}}
	for _, tag := range e.Service.Tags {
		if len(tag) < len(tagVersion) {
			continue
		}
		b := expand(tag[2:])
		switch tag[:2] {
		case tagMetadata:
			_ = json.Unmarshal(b, &n.Metadata) // adds to it, or is not go-micro's
		case tagEndpoint:
			var p *registry.Endpoint
			if err := json.Unmarshal(b, &p); err == nil && p != nil {
				s.Endpoints = append(s.Endpoints, p)
			}
		case tagVersion:
			s.Version = string(b)
		}
	}
	return s
}

func compress(b []byte) string {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b) // to memory
	_ = z.Close()
	return hex.EncodeToString(out.Bytes())
}

// expand returns nil for what is not compressed.
func expand(s string) []byte {
	raw, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(z, maxTag))
	if err != nil {
		return nil
	}
	return b
}
