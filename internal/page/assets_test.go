package page_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/micro/platform/internal/page"
)

func TestAssets(t *testing.T) {
	h := serve(t, page.Config{Views: []page.View{static("show", nil)}}, map[string]string{"show": ""})
	_, body := get(t, h, "/show", nil)
	all := regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(all) != 7 {
		t.Fatalf("the page names %q", all)
	}
	for _, found := range all {
		at := "/" + found[1]
		rsp, body := get(t, h, at, nil)
		want := "text/javascript; charset=utf-8"
		if strings.Contains(at, ".css") {
			want = "text/css; charset=utf-8"
		}
		if rsp.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: got %s and %d bytes", at, rsp.Status, len(body))
		}
		wantHeader(t, rsp.Header, map[string]string{
			"Content-Type": want, "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
		})
		wantHas(t, rsp.Header.Get("Content-Security-Policy"), "default-src 'none'", "script-src 'none'")
		bare, _, _ := strings.Cut(at, "?")
		for _, other := range []string{bare, bare + "?v=0123456789ab", bare + "?v="} { // of another build
			rsp, _ := get(t, h, other, nil)
			wantHeader(t, rsp.Header, map[string]string{"Cache-Control": "no-cache"})
			rsp, body := get(t, h, other, map[string]string{"If-None-Match": rsp.Header.Get("ETag")})
			if rsp.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("%s again: got %s", other, rsp.Status)
			}
		}
	}
}

func TestNoAsset(t *testing.T) {
	h := serve(t, page.Config{}, nil)
	for _, at := range []string{
		"/assets/none.js", "/assets/licenses", "/assets/", "/assets/..%2Fassets.go", "/assets/..%2F..%2Fparts%2Flayout.html", "/assets/%2e%2e", "/assets/licenses%2Fhtmx.txt%00", "/assets/style.css%00",
	} {
		if rsp, body := get(t, h, at, nil); rsp.StatusCode == http.StatusOK || strings.Contains(body, "package page") {
			t.Errorf("%s: got %s", at, rsp.Status)
		}
	}
}
