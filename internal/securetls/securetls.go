// Package securetls makes go-micro verify TLS certificates, in the processes that
// import it. go-micro v5 skips that unless it finds a variable in the environment when
// its packages are initialized, and warns so on each start.
package securetls

import "os"

// An init is the only place that comes before go-micro's: packages are initialized in
// the order of their import paths, and this one needs none of go-micro's.
func init() { //nolint:gochecknoinits // see above
	if os.Getenv("MICRO_TLS_SECURE") == "" { //nolint:forbidigo // go-micro reads it there
		_ = os.Setenv("MICRO_TLS_SECURE", "true") //nolint:forbidigo // it fails for malformed names alone
	}
}
