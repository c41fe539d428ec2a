package port

import (
	"net/http"
	"net/url"

	"github.com/rs/cors"
	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/rpcerr"
)

// newCORS says to browsers what pages of origins may do: call, with any header, and read
// every header of an answer. They send no cookies and no client certificate.
func newCORS(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginFunc: allowed(origins), // a list of none would allow all
		AllowedMethods:  []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:  []string{"*"},
		ExposedHeaders:  []string{"*"},
		MaxAge:          7200, // seconds: the most that browsers heed
	})
}

func allowed(origins []string) func(string) bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[o] = true
	}
	return func(origin string) bool { return set[origin] }
}

// crossOrigin answers a web page of another origin that may not call, or asks whether it
// may. It returns false for what has to be served.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || sameOrigin(origin, r.Host) {
		return false
	}
	if !s.cors.OriginAllowed(r) {
		s.refuse(w, r, rpcerr.New(codes.PermissionDenied, "foreign_origin",
			"pages of %s may not call: name the origin in PLATFORM_CORS_ORIGINS", brief(origin)))
		return true
	}
	s.cors.HandlerFunc(w, r)
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// sameOrigin tells whether a page came from host. A proxy in front may have spoken TLS to
// it, so the scheme says nothing.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}
