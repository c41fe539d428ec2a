package pages_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// wide is how most people look.
func wide() look { return look{name: "wide", width: 1280, height: 800, script: true} }

// build builds the command and kv-srv, as they are run.
func build(t *testing.T) (platform, kvSrv string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "../../cmd/platform", "../../kv-srv")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "platform"), filepath.Join(dir, "kv-srv")
}

// process is a real one. Its lines are those of stdout and stderr.
type process struct {
	*exec.Cmd

	lines chan string
}

func run(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{exec.CommandContext(context.WithoutCancel(t.Context()), name, args...), make(chan string, 1000)}
	p.Env = append(append(os.Environ(), "PLATFORM_DATA="+t.TempDir()), env...)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = p.Stdout
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		_ = p.Wait()         // as above
	})
	return p
}

// says waits for a line that has a part.
func (p *process) says(t *testing.T, part string, most time.Duration) string {
	t.Helper()
	end := time.After(most)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s ended and has not said %q", p.Path, part)
			}
			if strings.Contains(line, part) {
				return line
			}
		case <-end:
			t.Fatalf("%s has not said %q within %s", p.Path, part, most)
		}
	}
}

// address is where a service says that it listens.
func (p *process) address(t *testing.T) string {
	t.Helper()
	line := p.says(t, `"msg":"listening"`, 20*time.Second)
	_, rest, _ := strings.Cut(line, `"address":"`)
	address, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no address in %s", line)
	}
	return address
}

// TestLive runs real processes, and watches them.
func TestLive(t *testing.T) {
	b := browser(t)
	platform, kvSrv := build(t)
	kv := run(t, []string{"KV_ADDRESS=127.0.0.1:0"}, kvSrv)
	address := kv.address(t)
	base := "http://" + run(t, []string{"CONSOLE_ADDRESS=127.0.0.1:0"}, platform, "console").address(t)
	command := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), platform, append([]string{"kv"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	at := "--address=" + address
	first := b.open(t, wide(), base)
	row := fmt.Sprintf(`document.getElementById("i-kv-srv-%s")`, address)
	first.await(row+`?.innerText.includes("ready")`, 20*time.Second)
	first.await(`document.querySelector("#nav a[href='kv/']")`, time.Second)
	first.eval(`window.since = "the first load"`)
	pages := base + "/kv@" + address + "/"

	t.Run("the page follows the command", func(t *testing.T) {
		command("put", at, "greeting", "hello")
		tb := b.open(t, wide(), pages+"item?key=greeting")
		tb.await(`document.querySelector("pre")?.innerText === "hello"`, 5*time.Second)
		keys := b.open(t, wide(), pages+"keys?namespace=default")
		tb.eval(`window.since = "the first load"`)
		command("put", at, "greeting", "hello again")
		tb.await(`document.querySelector("pre").innerText === "hello again"`, time.Second)
		command("put", at, "another", "")
		keys.await(`document.body.innerText.includes("another")`, time.Second)
		command("delete", at, "greeting")
		tb.await(`document.body.innerText.includes("not found")`, time.Second)
		if !is[bool](tb, `window.since === "the first load"`) {
			t.Error("the page was loaded again")
		}
	})
	t.Run("the command follows the page", func(t *testing.T) {
		command("put", at, "edited", "before")
		watch := run(t, nil, platform, "kv", "watch", at, "-o", "json")
		tb := b.open(t, wide(), pages+"edit?key=edited")
		log := b.open(t, wide(), pages+"watch")
		log.await(`!document.body.classList.contains("stale")`, time.Second)
		waitWatching(t, platform, at, watch, log)
		tb.do(chromedp.SetValue(`textarea[name="value"]`, "after\nthe edit"))
		tb.press()
		watch.says(t, "edited", time.Second)
		log.await(`document.querySelector(".entry")?.innerText.includes("edited")`, time.Second)
		tb.await(`document.querySelector("pre")?.innerText === "after\nthe edit"`, 5*time.Second)
	})
	t.Run("a conflict", func(t *testing.T) {
		command("put", at, "both", "first")
		tb := b.open(t, wide(), pages+"edit?key=both")
		command("put", at, "both", "theirs")
		tb.do(chromedp.SetValue(`textarea[name="value"]`, "mine"))
		tb.press()
		tb.await(`document.querySelector("h2")?.innerText === "Theirs" && document.querySelector("pre").innerText === "theirs" && document.querySelector("textarea[name=value]").value === "mine"`, 5*time.Second)
		tb.picture("conflict")
		tb.press()
		tb.await(`document.querySelector("pre")?.innerText === "mine" && !document.querySelector("form")`, 5*time.Second)
	})
	t.Run("a call", func(t *testing.T) {
		tb := b.open(t, wide(), base+"/call?service=kv-srv&method=KV.Get&address="+address)
		tb.do(chromedp.SetValue(`textarea`, `{"key": "both"}`))
		tb.press()
		tb.await(`document.querySelector("pre")?.innerText.includes('"value": "bWluZQ=="')`, 5*time.Second)
		tb.picture("call")
		tb.do(chromedp.SetValue(`textarea`, `{"key": ""}`))
		tb.press()
		tb.await(`document.body.innerText.includes("key: 0 bytes long, want 1 to 1024")`, 5*time.Second)
	})
	t.Run("who uses the keyboard stays where they are", func(t *testing.T) {
		link := fmt.Sprintf(`document.getElementById("s-kv-srv-%s")`, address)
		first.eval(link + `.focus(); window.updates = 0; document.addEventListener("htmx:sseMessage", () => window.updates++)`)
		command("get", at, "both")
		first.await(`window.updates >= 2`, 5*time.Second)
		if !is[bool](first, `document.activeElement === `+link) {
			t.Error("the focus is gone")
		}
	})
	t.Run("a service that is killed", func(t *testing.T) {
		if err := kv.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		first.await(row+`.innerText.includes("away")`, 3*time.Second)
		first.picture("away")
		if !is[bool](first, `window.since === "the first load"`) {
			t.Error("the page was loaded again")
		}
		run(t, []string{"KV_ADDRESS=" + address}, kvSrv).address(t)
		first.await(row+`.innerText.includes("ready")`, 3*time.Second)
	})
}

// waitWatching writes until both watches show it.
func waitWatching(t *testing.T, platform, at string, watch *process, log *tab) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	seen := false
	for n := 0; !seen || !is[bool](log, `document.querySelector(".entry") !== null`); n++ {
		if time.Now().After(end) {
			t.Fatal("a watch does not begin")
		}
		if out, err := exec.CommandContext(t.Context(), platform, "kv", "put", at, "begin", fmt.Sprint(n)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		select {
		case <-watch.lines:
			seen = true
		case <-time.After(50 * time.Millisecond):
		}
	}
}
