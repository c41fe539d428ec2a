package registrar_test

import (
	"testing"
	"testing/synctest"
	"time"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 0)
		own := n.register(t, instance("1", unsaid))
		for _, step := range []struct {
			set           discoverypb.Status
			lease, reason string
			want          string
		}{
			{draining, own, "a deploy", statuses(draining, draining, unsaid, "a deploy")},
			{draining, own, "a deploy", statuses(draining, draining, unsaid, "a deploy")}, // nothing new
			{draining, own, "a long one", statuses(draining, draining, unsaid, "a long one")},
			{unsaid, "", "nothing to take back", statuses(draining, draining, unsaid, "a long one")},
			{out, "", "disk full", statuses(out, draining, out, "disk full")},
			{up, own, "ready", statuses(out, up, out, "disk full")},
			{out, "", "disk broken", statuses(out, up, out, "disk broken")},
			{draining, own, "a deploy", statuses(out, draining, out, "disk broken")},
			{up, "", "it must", statuses(up, draining, up, "")},
			{unsaid, "", "it need not", statuses(draining, draining, unsaid, "")},
			{up, own, "", statuses(up, up, unsaid, "")},
		} {
			n.set(t, step.set, step.lease, step.reason)
			expect(t, step.set.String()+" "+step.reason, step.want, n.statuses())
		}
		expect(t, "timeline", []string{
			`TYPE_REGISTERED STATUS_UP ""`,
			`TYPE_STATUS STATUS_DRAINING "instance: a deploy"`,
			`TYPE_STATUS STATUS_DRAINING "instance: a long one"`,
			`TYPE_STATUS STATUS_OUT_OF_SERVICE "operator: disk full"`,
			`TYPE_STATUS STATUS_OUT_OF_SERVICE "instance: ready"`,
			`TYPE_STATUS STATUS_OUT_OF_SERVICE "operator: disk broken"`,
			`TYPE_STATUS STATUS_OUT_OF_SERVICE "instance: a deploy"`,
			`TYPE_STATUS STATUS_UP "operator: it must"`,
			`TYPE_STATUS STATUS_DRAINING "operator: it need not"`,
			`TYPE_STATUS STATUS_UP "instance"`,
		}, n.story(t))
	})
}

// TestOperatorStatusStays registers again what an operator has spoken of.
func TestOperatorStatusStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, 0)
		n.register(t, instance("1", unsaid))
		n.set(t, out, "", "disk full")
		n.register(t, instance("2", draining))
		expect(t, "registered again", statuses(out, draining, out, "disk full"), n.statuses())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		n.register(t, instance("2", up))
		expect(t, "when it was gone", statuses(up, up, unsaid, ""), n.statuses())
	})
}
