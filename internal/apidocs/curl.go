package apidocs

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
)

// harmless is a host, with or without a port, that means nothing to a shell.
var harmless = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// base is the URL that the caller has used, if that is safe to repeat, else the address that
// the call has come to.
func base(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if harmless.MatchString(r.Host) {
		return scheme + r.Host
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return scheme + addr.String()
	}
	return scheme + "localhost"
}

// Curl is a command that calls m, for a POSIX shell.
func (m method) Curl(base string) string {
	url := quoted(base + m.Path)
	if !m.Stream {
		return fmt.Sprintf("curl -H 'Content-Type: application/json' \\\n  -d %s \\\n  %s", quoted(m.example), url)
	}
	n := len(m.example)
	frame := fmt.Sprintf(`\000\%03o\%03o\%03o\%03o`, n>>24&0xff, n>>16&0xff, n>>8&0xff, n&0xff) + strings.NewReplacer(`\`, `\\`, `%`, `%%`).Replace(m.example)
	return fmt.Sprintf("printf %s |\n  curl -N -H 'Content-Type: application/connect+json' \\\n    --data-binary @- \\\n    %s |\n  cat -v", quoted(frame), url)
}

// quoted is s as one word of a shell.
func quoted(s string) string {
	if !strings.ContainsAny(s, " '\"\\{}[]%") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
