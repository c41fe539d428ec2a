package console

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// answering are the headers that a page may have. Others act on the whole origin (cookies,
// Clear-Site-Data, NEL, Alt-Svc), ask for passwords, or lead elsewhere.
func answering() []string {
	return []string{
		"Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Range",
		"Content-Security-Policy", "Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Location", "Retry-After",
	}
}

// confine lets a page have the console's script alone, which reaches what is in the page's
// own folder, whatever the page says itself: a browser keeps to both policies.
func confine(rsp *http.Response) error {
	to, ok := rsp.Request.Context().Value(towardKey{}).(toward)
	if !ok {
		return fmt.Errorf("nobody has asked for %s", rsp.Request.URL.Path)
	}
	if t, _, _ := mime.ParseMediaType(rsp.Header.Get("Content-Type")); strings.HasPrefix(t, "multipart/") {
		return refused("%s, of which each part has headers", t)
	}
	rsp.Header = only(rsp.Header, answering())
	h := rsp.Header
	if at, ok := h["Location"]; ok && (len(at) != 1 || !to.inside(at[0])) {
		return refused("a way that leads out of %s", to.folder)
	}
	if !strings.Contains(h.Get("Cache-Control"), "no-store") {
		h.Set("Cache-Control", "private, no-cache") // the next who serves the feature may be another
	}
	own := slices.Clone(h["Content-Security-Policy"])
	page.Secure(h, "'none'")
	h["Content-Security-Policy"] = append(own, policy(to.in.Host, to.folder))
	return nil
}

func refused(format string, args ...any) *rpcerr.Error {
	return rpcerr.New(codes.Unavailable, "console.no_page", "the answer is no page, and not passed on: "+format, args...)
}

// policy is what a page in a folder may do. The console's files and the folder are named
// as browsers do, who have no names for IPv6 addresses: pages there do without script.
func policy(host, folder string) string {
	scripts, reach, forms := "'none'", "'none'", "'self'"
	if host != "" && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.:-") == "" {
		scripts, reach, forms = host+"/assets/", host+folder, host+folder
	}
	return strings.Join([]string{
		"script-src " + scripts, "connect-src " + reach, "form-action " + forms, "object-src 'none'", "frame-src 'none'", "worker-src 'none'",
		"base-uri 'none'", "frame-ancestors 'none'",
	}, "; ")
}

// inside tells whether an address that a page leads to is in the page's folder. What a
// policy says of folders does not hold behind a redirect.
func (t toward) inside(address string) bool {
	u, err := url.Parse(address)
	folder, wrong := url.Parse(t.folder)
	if err != nil || wrong != nil || u.Scheme != "" || u.Host != "" || strings.Contains(address, `\`) {
		return false
	}
	at := folder.JoinPath(t.path).ResolveReference(u)
	return strings.HasPrefix(at.Path, folder.Path) && !slices.Contains(strings.Split(at.Path, "/"), "..")
}
