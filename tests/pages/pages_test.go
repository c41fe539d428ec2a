// Package pages_test looks at every page with Chromium, as people do.
package pages_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

// platform runs kv-srv and the console, with something to look at.
func platform(t *testing.T) (*hosttest.Platform, *kvclient.Client, string) {
	t.Helper()
	p := hosttest.Run(t, nil, kvserver.Service(), console.Service())
	kv := kvclient.New(p.Client)
	for key, value := range samples() {
		put(t, kv, key, value)
	}
	base := "http://" + p.Address("console")
	found(t, base, 2)
	return p, kv, base
}

// found waits until the console has found so many services: it lists them every 10 s.
func found(t *testing.T, base string, services int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		rsp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(rsp.Body)
		rsp.Body.Close()
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(body), fmt.Sprintf("%d services", services)):
			return
		case time.Now().After(end):
			t.Fatalf("the console has not found %d services:\n%s", services, body)
		}
	}
}

func put(t *testing.T, kv *kvclient.Client, key, value string, opts ...kvclient.PutOption) uint64 {
	t.Helper()
	version, err := kv.Put(t.Context(), key, []byte(value), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

const (
	script = `<script>document.title = "pwned"</script><img src=x onerror="document.title='pwned'">`
	rtl    = "user/\u202egnp.exe\u202c/\u0645\u0631\u062d\u0628\u0627"
)

// samples are items of each kind: harmless ones, and such as try to be something else.
func samples() map[string]string {
	return map[string]string{
		"greeting":                         "hello",
		"config/billing/limits":            `{"currency":"EUR","daily":{"soft":1000,"hard":2500},"notify":["ops@example.com"]}`,
		"config/billing/template":          "Dear customer,\n\nyour invoice is ready.\n",
		"session/7f3a":                     "\x00\x01\x02\xff\xfe binary",
		script:                             script,
		rtl:                                "\u202e reversed \u202c",
		strings.Repeat("k\U0001F600", 204): "a key of 1020 bytes",
		"large":                            strings.Repeat("0123456789abcdef", 1<<16),
		"empty":                            "",
		"new\nline\r\n\tand \x00 nul":      "a key with control characters",
	}
}

// every is the pages, below the console.
func every() []string {
	item := func(page, key string, more ...string) string {
		return "kv/" + page + "?" + url.Values{"namespace": {"default"}, "key": {key}}.Encode() + strings.Join(more, "")
	}
	all := []string{
		"", "?sort=-calls", "service?name=kv-srv", "service?name=console", "call?service=kv-srv&method=KV.Get", "call?service=kv-srv&method=KV.Watch",
		"kv/", "kv/keys?namespace=default", "kv/keys?namespace=default&prefix=config%2F", "kv/keys?namespace=none", "kv/keys?namespace=default&prefix=none",
		"kv/edit?namespace=default", "kv/watch", "kv/hot", "kv/hot?namespace=default", "kv/delete?namespace=default", "kv/ttl?key=greeting", "kv/docs", "kv/ring",
		item("edit", "greeting"), item("edit", "session/7f3a"), item("delete", "greeting"),
	}
	for key := range samples() {
		all = append(all, item("item", key))
	}
	all = append(all, item("item", "config/billing/limits", "&as=hex"), item("item", "config/billing/limits", "&as=text"))
	slices.Sort(all)
	return all
}

// TestAxe: it finds what is wrong.
func TestAxe(t *testing.T) {
	tb := browser(t).open(t, wide(), "about:blank")
	tb.eval(`document.body.innerHTML = '<p style="color: #aaa; background: #fff">faint</p><button></button>'`)
	if got := strings.Join(tb.axe(axeSource(t)), "\n"); !strings.Contains(got, "color-contrast") || !strings.Contains(got, "button-name") {
		t.Errorf("axe finds %q", got)
	}
}

func TestEveryPage(t *testing.T) {
	b, axe := browser(t), axeSource(t)
	_, _, base := platform(t)
	everyLook(t, b, axe, base, every())
}

// everyLook looks at pages in every way.
func everyLook(t *testing.T, b chromium, axe, base string, paths []string) {
	t.Helper()
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			tb := b.open(t, l, "about:blank")
			defer tb.close()
			for _, path := range paths {
				tb.visit(base + "/" + path)
				if os.Getenv("PICTURES") != "" {
					tb.picture(l.name + " " + url.PathEscape(path)[:min(80, len(url.PathEscape(path)))])
				}
				if title := is[string](tb, `document.title`); title == "pwned" || title == "" {
					t.Errorf("%s: the title is %q", path, title)
				}
				if h := is[string](tb, `document.querySelector("h1")?.innerText ?? ""`); h == "" || h == "That did not work" {
					t.Errorf("%s: the page says %s", path, is[string](tb, `document.body.innerText`))
				}
				if over := is[int](tb, `document.scrollingElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s: %d pixels too wide", path, over)
				}
				if l.script {
					for _, v := range tb.axe(axe) {
						t.Errorf("%s: %s", path, v)
					}
				}
				if logged := tb.logged(); len(logged) > 0 {
					t.Errorf("%s: the console has %q", path, logged)
				}
			}
		})
	}
}
