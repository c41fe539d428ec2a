package pages_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// rogue is a service whose page wants more than its own: by script, and by the console's.
func rogue() host.Service {
	const html = `<!DOCTYPE html><title>rogue</title><h1>rogue</h1>
<script>window.own = 1</script><script src="own.js"></script><script src="../assets/own.js"></script><img src="none" onerror="window.own = 1"><a id="address" href="javascript:window.own = 1">x</a>
<script defer src="../assets/htmx.js"></script>
<p id="in" hx-get="mine">x</p>
<p id="out" hx-get="/kv/edit?key=greeting">x</p>
<p id="send" hx-post="/kv/edit?key=greeting">x</p>
<p id="around" hx-get="around">x</p>
<p id="history" hx-get="mine" hx-push-url="/kv/">x</p>
<form method="post" action="/kv/edit?key=greeting"><input name="value" value="forged"></form>`
	return host.Service{Name: "evil-srv", Start: func(_ context.Context, h *host.Host) error {
		if _, err := h.Pages(page.Config{Title: "Evil", Templates: fstest.MapFS{"none.html": &fstest.MapFile{}}}); err != nil {
			return err
		}
		for path, answer := range map[string]http.HandlerFunc{
			"/{$}": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, html)
			},
			"/own.js": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/javascript")
				_, _ = io.WriteString(w, "window.own = 1")
			},
			"/mine": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "it is mine") },
			"/around": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/kv/edit?key=greeting")
				w.WriteHeader(http.StatusTemporaryRedirect)
			},
		} {
			h.Handle("GET "+path, answer)
		}
		return nil
	}}
}

// TestRogue: script of a page does not run, and what the console's script does for it
// stays in its folder.
func TestRogue(t *testing.T) {
	b := browser(t)
	p := hosttest.Run(t, nil, kvserver.Service(), rogue(), console.Service())
	kv := kvclient.New(p.Client)
	put(t, kv, "greeting", "hello")
	base := "http://" + p.Address("console")
	tb := b.open(t, look{name: "rogue", width: 1280, height: 800, script: true}, base+"/")
	tb.await(`document.querySelector("#nav").innerText.includes("evil")`, patience)
	tb.visit(base + "/evil/")
	tb.await(`htmx.version`, patience)
	tb.eval(`window.refused = []; window.failed = [];
document.addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
document.addEventListener("htmx:responseError", (e) => failed.push(e.detail.xhr.status));
for (const id of ["in", "out", "send", "around", "address"]) document.getElementById(id).click();
document.forms[0].submit()`)
	tb.await(`document.getElementById("in").innerText === "it is mine" && refused.length >= 4 && failed.length === 1`, patience)
	if got := is[string](tb, `refused.toSorted().join()`); got != "connect-src,connect-src,form-action,script-src-elem" && got != "connect-src,connect-src,form-action,script-src" {
		t.Errorf("refused are %s", got)
	}
	if is[bool](tb, `"own" in window`) {
		t.Error("script of the page has run")
	}
	if got := is[string](tb, `document.body.innerText`); strings.Contains(got, "hello") {
		t.Errorf("it has what is kv's:\n%s", got)
	}
	if item, err := kv.Get(t.Context(), "greeting"); err != nil || string(item.Value) != "hello" {
		t.Errorf("the item is %q, %v", item.Value, err)
	}

	// It says that its page is kv's, which then is, and is left again.
	tb.eval(`document.getElementById("history").click()`)
	tb.await(`location.pathname === "/kv/"`, patience)
	tb.eval(`location.reload()`)
	tb.await(`document.title.includes("Namespaces") && typeof Following === "function" && document.readyState === "complete"`, patience)
	tb.eval(`window.kv = 1; history.back()`)
	const left = `location.pathname === "/evil/" && document.body.innerText.includes("rogue")`
	for end := time.Now().Add(patience); ; {
		there, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool](left)) // fails while the page goes
		if err == nil && there {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is not left: %v", err)
		}
	}
	if is[bool](tb, `"kv" in window`) {
		t.Error("the page of kv shows what is the rogue's")
	}
}

// patience is more than anything here takes.
const patience = 20 * time.Second
