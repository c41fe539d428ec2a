package page

import (
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/micro/platform/internal/call"
)

// viewer tells those apart who may see different things.
func viewer(r *http.Request) string {
	said := strings.Join(r.Header.Values("Authorization"), "\n")
	if r.TLS == nil {
		return said
	}
	return said + "\n" + identity(r.TLS)
}

func identity(state *tls.ConnectionState) string {
	if len(state.VerifiedChains) == 0 {
		return ""
	}
	return (&call.Call{Certificate: state.PeerCertificates[0]}).Identity()
}
