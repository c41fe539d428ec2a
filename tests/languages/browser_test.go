package languages_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	"github.com/micro/platform/tests/console"
)

// TestBrowser has the page of examples/typescript call from an origin that may, and
// from one that may not.
func TestBrowser(t *testing.T) {
	needInterop(t)
	const dir = "../../examples/typescript"
	console.Run(t, dir, nil, []console.Command{{Line: "make -C ../.. clients LANGUAGES=typescript && npm ci && npm run --silent bundle"}})
	friend, stranger := httptest.NewServer(http.FileServer(http.Dir(dir))), httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(friend.Close)
	t.Cleanup(stranger.Close)
	env := map[string]string{"PLATFORM_CORS_ORIGINS": "https://app.example," + friend.URL}
	address := hosttest.Run(t, env, kvserver.Service()).Address("kv-srv")

	// The stranger is first: nothing may be there afterwards.
	t.Run("stranger", func(t *testing.T) {
		said, logged := visit(t, stranger.URL+"/?kv="+address)
		if strings.Contains(said, "get:") || !strings.HasPrefix(said, "unknown ():") {
			t.Errorf("the page says %q", said)
		}
		if !strings.Contains(strings.Join(logged, "\n"), "blocked by CORS policy") {
			t.Errorf("the console has %q", logged)
		}
		err := dial(t, address).Invoke(t.Context(), "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: "example/typescript"}, &kvpb.GetResponse{})
		if status.Code(err) != codes.NotFound {
			t.Errorf("after the page's calls: got %v, want not_found", err)
		}
		refusedOrigin(t, address, stranger.URL)
	})
	t.Run("friend", func(t *testing.T) {
		said, logged := visit(t, friend.URL+"/?kv="+address)
		checkSaid(t, said, 1)
		if !strings.HasSuffix(said, "watch: example/typescript is hello, watcher\n") {
			t.Errorf("the page says %q", said)
		}
		// A browser logs each answer that is an error, whatever the page makes of it.
		for _, r := range refusals(t) {
			logged = remove(logged, http.StatusText(r.HTTP))
		}
		if len(logged) > 0 {
			t.Errorf("the console has %q", logged)
		}
		allowedOrigin(t, address, friend.URL)
	})
}

// visit opens a page in Chromium, and returns what it says once it is done, and all
// that the console has.
func visit(t *testing.T, url string) (said string, logged []string) {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	defer func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("stop Chromium: %v", err)
		}
	}()
	messages := chromedp.Console(ctx)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	const output = `document.querySelector("output")`
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](output+`.ariaBusy === "false"`)); err != nil {
		t.Fatal(err)
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](output+`.textContent`))
	if err != nil {
		t.Fatal(err)
	}
	if picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err != nil {
		t.Error(err)
	} else if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "page.png"), picture, 0o600); err != nil {
		t.Error(err)
	}
	const last = "the end of the console"
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](`console.log("`+last+`")`)); err != nil {
		t.Fatal(err)
	}
	for m, err := range messages {
		if err != nil {
			t.Fatal(err)
		}
		if m.Text == last {
			break
		}
		logged = append(logged, m.String())
	}
	return said, logged
}

// remove leaves out the first line that has a part.
func remove(lines []string, part string) []string {
	for i, l := range lines {
		if strings.Contains(l, part) {
			return append(lines[:i:i], lines[i+1:]...)
		}
	}
	return append(lines, "nothing of "+part)
}

func allowedOrigin(t *testing.T, address, origin string) {
	t.Helper()
	for _, method := range []string{http.MethodOptions, http.MethodPost} {
		rsp, body := from(t, method, address, origin)
		if got := rsp.Header.Get("Access-Control-Allow-Origin"); got != origin || rsp.StatusCode/100 != 2 {
			t.Errorf("%s: %s, allowed origin %q, want %s\n%s", method, rsp.Status, got, origin, body)
		}
	}
}

func refusedOrigin(t *testing.T, address, origin string) {
	t.Helper()
	for _, method := range []string{http.MethodOptions, http.MethodPost} {
		rsp, body := from(t, method, address, origin)
		var refused struct{ Code string }
		if err := json.Unmarshal(body, &refused); err != nil || refused.Code != "permission_denied" || rsp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s, want 403 permission_denied\n%s", method, rsp.Status, body)
		}
		if got := rsp.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: allowed origin %q", method, got)
		}
	}
}

// from does what a browser does for a page of an origin: it asks, and it calls.
func from(t *testing.T, method, address, origin string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/micro.kv.v1.KV/List", bytes.NewBufferString("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	if method == http.MethodOptions {
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		req.Header.Set("Access-Control-Request-Headers", "connect-protocol-version,content-type")
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	rsp, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp, body
}
