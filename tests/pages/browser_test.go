package pages_test

import (
	"context"
	"encoding/json"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// needInterop skips a test that needs Chromium and npm.
func needInterop(t *testing.T) {
	t.Helper()
	if os.Getenv("INTEROP") == "" {
		t.Skip("needs Chromium and npm: make test-interop")
	}
}

// look is how somebody looks at a page.
type look struct {
	name          string
	width, height int64
	dark, script  bool
}

func looks() []look {
	var all []look
	for _, l := range []look{{name: "wide", width: 1280, height: 800}, {name: "narrow", width: 390, height: 844}} {
		for _, dark := range []bool{false, true} {
			for _, script := range []bool{true, false} {
				one := l
				one.dark, one.script = dark, script
				one.name += map[bool]string{true: "-dark", false: "-light"}[dark] + map[bool]string{true: "", false: "-noscript"}[script]
				all = append(all, one)
			}
		}
	}
	return all
}

// tab is a page in Chromium.
type tab struct {
	t       *testing.T
	close   func()
	ctx     context.Context
	message func() (chromedp.ConsoleMessage, error, bool)
}

// chromium is a browser that runs.
type chromium struct {
	ctx context.Context
}

// browser starts Chromium for the test.
func browser(t *testing.T) chromium {
	t.Helper()
	needInterop(t)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return chromium{ctx}
}

// open opens a tab that looks at a page.
func (b chromium) open(t *testing.T, l look, url string) *tab {
	t.Helper()
	ctx, shut := chromedp.NewContext(b.ctx)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	tb := &tab{t: t, ctx: ctx, close: func() {
		cancel()
		shut()
	}}
	t.Cleanup(tb.close)
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !l.script}); err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(chromedp.Console(ctx))
	t.Cleanup(stop)
	tb.message = next
	tb.do(chromedp.EmulateViewport(l.width, l.height), chromedp.Navigate(url))
	return tb
}

// visit goes on to another page.
func (tb *tab) visit(url string) {
	tb.t.Helper()
	tb.do(chromedp.Navigate(url))
}

// logged is what the console has that was not asked for before.
func (tb *tab) logged() []string {
	tb.t.Helper()
	const last = "the end of the console"
	tb.eval(`console.log("` + last + `")`)
	var all []string
	for {
		m, err, ok := tb.message()
		if err != nil || !ok {
			tb.t.Fatalf("the console has ended: %v", err)
		}
		if m.Text == last {
			return all
		}
		all = append(all, m.String())
	}
}

func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, steps...); err != nil {
		tb.t.Fatal(err)
	}
}

// eval runs a statement.
func (tb *tab) eval(js string) {
	tb.t.Helper()
	if _, err := chromedp.Run(tb.ctx, chromedp.Evaluate[chromedp.Void](js)); err != nil {
		tb.t.Fatalf("%s: %v", js, err)
	}
}

// press presses the button of the form: not by the mouse, of which a browser takes notice
// once it has painted the page.
func (tb *tab) press() {
	tb.t.Helper()
	tb.eval(`document.querySelector("button").click()`)
}

// is what an expression is.
func is[T any](tb *tab, js string) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		tb.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// await waits until an expression is true; one that cannot be told is not.
func (tb *tab) await(js string, most time.Duration) {
	tb.t.Helper()
	begun := time.Now()
	for !is[bool](tb, `(() => { try { return Boolean(`+js+`) } catch { return false } })()`) {
		if time.Since(begun) > most {
			tb.picture("late")
			tb.t.Fatalf("not within %s: %s\nthe page says:\n%s", most, js, is[string](tb, `document.body.innerText`))
		}
		if err := chromedp.Do(tb.ctx, chromedp.Sleep(20*time.Millisecond)); err != nil {
			tb.t.Fatal(err)
		}
	}
}

// picture keeps what the tab shows.
func (tb *tab) picture(name string) {
	tb.t.Helper()
	dir := tb.t.ArtifactDir()
	if to := os.Getenv("PICTURES"); to != "" {
		dir = to
	}
	picture, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600)
	}
	if err != nil {
		tb.t.Error(err)
	}
}

// axe is what axe-core finds that is serious or worse.
func (tb *tab) axe(source string) []string {
	tb.t.Helper()
	tb.eval(source + `; undefined`)
	found, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string](
		`axe.run().then(r => JSON.stringify(r.violations.filter(v => ["serious", "critical"].includes(v.impact)).map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary).join("; "))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("axe: %v", err)
	}
	var all []string
	if err := json.Unmarshal([]byte(found), &all); err != nil {
		tb.t.Fatal(err)
	}
	return all
}

// axeSource installs axe-core and returns it.
func axeSource(t *testing.T) string {
	t.Helper()
	needInterop(t)
	if out, err := exec.CommandContext(t.Context(), "npm", "ci", "--silent", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, strings.TrimSpace(string(out)))
	}
	source, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}
