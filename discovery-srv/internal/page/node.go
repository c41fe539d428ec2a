package page

import (
	"time"

	"github.com/micro/platform/internal/page"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// node is what the node that answers knows of itself.
type node struct {
	*discoverypb.NodeState

	Reads bool   // it only reads
	Old   string // how old the answer may be; "": up to date
}

func newNode(s *discoverypb.NodeState) node {
	n := node{NodeState: s, Reads: s.GetRole() == discoverypb.NodeState_ROLE_READ}
	if age := s.GetAge().AsDuration(); age > 0 {
		n.Old = page.Span(age)
	}
	return n
}

// ago is how long a moment is past, in whole seconds.
func ago(t time.Time) string { return page.Span(max(0, time.Since(t)).Truncate(time.Second)) }
