package sd

import (
	"bufio"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// Labels of a target.
const (
	prefix   = "__meta_platform_"
	metadata = prefix + "metadata_"
)

// usualWeight is that of an instance which names none.
const usualWeight = 100

// group is a target group of Prometheus.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// list writes groups as they come.
type list struct {
	w    http.ResponseWriter
	buf  *bufio.Writer
	some bool // groups
	sent bool // it is too late for another answer
}

func newList(w http.ResponseWriter) *list {
	l := &list{w: w}
	l.buf = bufio.NewWriterSize(l, 32<<10)
	return l
}

// Write implements io.Writer, for buf.
func (l *list) Write(b []byte) (int, error) {
	if !l.sent {
		l.sent = true
		l.w.Header().Set("Content-Type", "application/json")
		l.w.Header().Set("Cache-Control", "no-store")
	}
	return l.w.Write(b)
}

func (l *list) add(namespace, service string, i *discoverypb.Instance) error {
	before := byte(',')
	if !l.some {
		l.some, before = true, '['
	}
	_ = l.buf.WriteByte(before) // an error stays, for the next
	b, err := json.Marshal(group{[]string{i.GetAddress()}, labels(namespace, service, i)})
	if err != nil {
		return err
	}
	_, err = l.buf.Write(append(b, '\n'))
	return err
}

func (l *list) end() error {
	if !l.some {
		_ = l.buf.WriteByte('[') // as above
	}
	_, _ = l.buf.WriteString("]\n") // as above
	return l.buf.Flush()
}

func labels(namespace, service string, i *discoverypb.Instance) map[string]string {
	all := make(map[string]string, 7+len(i.GetMetadata())+len(i.GetServiceMetadata()))
	// Those of the service first, so that an instance may say otherwise.
	for _, said := range []map[string]string{i.GetServiceMetadata(), i.GetMetadata()} {
		for _, k := range slices.Sorted(maps.Keys(said)) {
			all[metadata+label(k)] = said[k]
		}
	}
	for k, v := range map[string]string{
		"namespace": namespace, "service": service, "instance_id": i.GetId(), "version": i.GetVersion(), "zone": i.GetZone(),
		"status": word(i.GetStatus()), "weight": strconv.FormatUint(uint64(cmp.Or(i.GetWeight(), usualWeight)), 10),
	} {
		all[prefix+k] = v
	}
	return all
}

// label makes a key a part of a label's name, which has letters, digits and _ alone.
func label(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
