package handler

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/micro/platform/internal/check"
	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// moment is the place of an event in a timeline.
type moment struct {
	nanos int64
	what  int32
	id    string
}

func momentOf(e *discoverypb.Event) *moment {
	return &moment{e.GetTime().AsTime().UnixNano(), int32(e.GetType()), e.GetInstanceId()}
}

func (m *moment) String() string { return fmt.Sprintf("%d %d %s", m.nanos, m.what, m.id) }

// parse reads what String has written.
func (m *moment) parse(s string) bool {
	words := strings.SplitN(s, " ", 3)
	if len(words) < 3 {
		return false
	}
	nanos, err := strconv.ParseInt(words[0], 10, 64)
	what, bad := strconv.ParseInt(words[1], 10, 32)
	*m = moment{nanos, int32(what), words[2]}
	return err == nil && bad == nil
}

// before tells whether an event stands behind the moment in a timeline, which begins with
// the latest.
func (m *moment) before(e *discoverypb.Event) bool {
	o := momentOf(e)
	return cmp.Or(cmp.Compare(o.nanos, m.nanos), cmp.Compare(m.id, o.id), cmp.Compare(o.what, m.what)) < 0
}

// moment reads a page token of Timeline; nil for the first page.
func (c *checks) moment(list check.Query, token string) *moment {
	var m moment
	if c.PageToken(list, token, m.parse) == "" {
		return nil
	}
	return &m
}
