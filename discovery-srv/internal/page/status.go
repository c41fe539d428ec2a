package page

import (
	"strings"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

const (
	unsaid       = discoverypb.Status_STATUS_UNSPECIFIED
	up           = discoverypb.Status_STATUS_UP
	draining     = discoverypb.Status_STATUS_DRAINING
	outOfService = discoverypb.Status_STATUS_OUT_OF_SERVICE
)

// inWords returns what a status is called, and the look that it has.
func inWords(s discoverypb.Status) (says, look string) {
	switch s {
	case up:
		return "up", "ready"
	case draining:
		return "draining", "waiting"
	case outOfService:
		return "out of service", "away"
	case unsaid:
	}
	return "not told", ""
}

// takeBack is what a form has for an operator who says nothing.
const takeBack = "none"

// param is a status in addresses and forms.
func param(s discoverypb.Status) string {
	if s == unsaid {
		return takeBack
	}
	says, _ := inWords(s)
	return strings.ReplaceAll(says, " ", "-")
}

// parseStatus reads what param has written.
func parseStatus(word string) (discoverypb.Status, error) {
	for _, s := range []discoverypb.Status{unsaid, up, draining, outOfService} {
		if word == param(s) {
			return s, nil
		}
	}
	return unsaid, rpcerr.Invalid(ofStatus, "%q, want up, draining or out-of-service", page.Cut(word, 40))
}

// said is a status, with who has set it.
type said struct {
	Says, Look string
	By         string // "": nobody had to
	Why        string
	Itself     string // what the instance says, if an operator is heard; ""
}

func statusOf(i *discoverypb.Instance) said {
	var s said
	s.Says, s.Look = inWords(i.GetStatus())
	s.Why = i.GetStatusReason()
	switch {
	case i.GetOperatorStatus() != unsaid:
		s.By = "by an operator"
		s.Itself, _ = inWords(i.GetInstanceStatus())
	case i.GetStatus() != up:
		s.By = "by itself"
	}
	return s
}
