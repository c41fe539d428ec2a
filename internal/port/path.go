package port

import (
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// checkPath refuses a path that two programs may take for two: a proxy in front for one
// that all may ask for, and http.ServeMux for another, or for one to redirect to.
func checkPath(u *url.URL) error {
	var what string
	switch {
	case strings.Contains(strings.ToLower(u.EscapedPath()), "%2f"):
		what = "an encoded slash"
	case strings.Contains(u.Path, `\`):
		what = "a backslash"
	case strings.Contains(u.Path, "\x00"):
		what = "a NUL"
	case strings.Contains(u.Path, "//"):
		what = "an empty segment"
	case slices.ContainsFunc(strings.Split(u.Path, "/"), func(segment string) bool { return segment == "." || segment == ".." }):
		what = "a segment of dots"
	default:
		return nil
	}
	return rpcerr.New(codes.InvalidArgument, "path", "path: %s has %s", brief(u.EscapedPath()), what)
}
