package pages_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver/ringtest"
)

// TestRing looks at a ring of three.
func TestRing(t *testing.T) {
	b, axe := browser(t), axeSource(t)
	p := ringtest.Run(t, 3, console.Service()).Nodes[0]
	kv := kvclient.New(p.Client)
	for i := range 1000 {
		put(t, kv, fmt.Sprint("session/", i), strings.Repeat("x", 1000))
	}
	base := "http://" + p.Address("console")
	found(t, base, 2)
	everyLook(t, b, axe, base, []string{"kv/", "kv/ring", "kv/ring?sort=-keys"})
}

// TestRingFollows stops a node of a ring of processes for a while, before the eyes of who
// looks at the page of another.
func TestRingFollows(t *testing.T) {
	b := browser(t)
	_, kvSrv := build(t)
	gossip := ringtest.FreePort(t)
	node := func(at string) *process {
		return run(t, []string{"KV_ADDRESS=127.0.0.1:0", "KV_PEERS=" + gossip, "KV_RING_ADDRESS=" + at}, kvSrv)
	}
	first, second := node(gossip), node("127.0.0.1:0")
	base, stopped := "http://"+first.address(t), second.address(t)
	tb := b.open(t, wide(), base+"/ring")
	const whole = `document.querySelectorAll(".bars .ready").length === 2 && document.querySelector("dd .ready")?.innerText === "settled"`
	tb.await(whole, ringtest.Patience)
	tb.eval(`window.since = "the first load"`)
	silent := fmt.Sprintf(`[...document.querySelectorAll(".bars li")].some(li => li.innerText.includes(%q) && li.innerText.includes("silent"))`, stopped)
	tb.eval(`window.silent = false; new MutationObserver(() => window.silent ||= ` + silent + `).observe(document.body, {subtree: true, childList: true, characterData: true})`)
	signal := func(sig syscall.Signal) {
		t.Helper()
		if err := second.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	for seen := false; !seen; { // two seconds later it is left out, and may not have been seen
		signal(syscall.SIGSTOP)
		tb.await(`window.silent || document.querySelectorAll(".bars li").length === 1`, 20*time.Second)
		if seen = is[bool](tb, `window.silent`); seen {
			tb.picture("silent")
		}
		signal(syscall.SIGCONT)
		tb.await(whole, ringtest.Patience)
	}
	if !is[bool](tb, `window.since === "the first load"`) {
		t.Error("the page was loaded again")
	}
}
