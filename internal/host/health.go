package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/setting"
)

// healthTimeout is what Health takes at most. Readiness is looked at for a second.
const healthTimeout = 3 * time.Second

// Health asks the processes that run services with these settings whether they are ready,
// and returns why not, of all of them.
func Health(ctx context.Context, getenv func(string) string, services ...Service) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	errs := make([]error, len(services))
	var all sync.WaitGroup
	for i, s := range services {
		all.Go(func() {
			if err := s.health(ctx, getenv); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s Service) health(ctx context.Context, getenv func(string) string) error {
	v := setting.New(getenv, s.settings())
	address := own(v, s.prefix()+"_ADDRESS")
	if err := v.Err(); err != nil {
		return &ConfigError{err}
	}
	// What is wrong with the files that they name does not matter: the process may go on
	// with what they held before.
	conf := certs.Read(setting.New(getenv, certs.Settings()))
	u := url.URL{Scheme: "http", Host: address, Path: "/readyz"}
	if conf.Serves() {
		u.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Host = "localhost" // which is always served
	rsp, err := (&http.Transport{TLSClientConfig: conf.Own(), DisableKeepAlives: true}).RoundTrip(req)
	switch {
	case err != nil && conf.Mutual():
		return fmt.Errorf("no answer at %s to the certificate of PLATFORM_TLS_CERT, which must be one of PLATFORM_TLS_CLIENT_CA: %w", address, err)
	case err != nil:
		return fmt.Errorf("no answer at %s: %w", address, err)
	}
	defer rsp.Body.Close()
	return ready(rsp)
}

// own is where a process reaches itself that listens on the address of a setting.
func own(v *setting.Values, name string) string {
	address := v.Address(name)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "" // v has it
	}
	if n, err := strconv.Atoi(port); err == nil && n == 0 {
		v.Fail(name, "%q takes a free port, which the process alone knows: set one", address)
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "" || err == nil && ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// ready returns what an answer of /readyz says that is missing.
func ready(rsp *http.Response) error {
	var answer struct {
		Status  string            `json:"status"`
		Waiting map[string]string `json:"waiting"`
	}
	err := json.NewDecoder(io.LimitReader(rsp.Body, 1<<20)).Decode(&answer)
	switch {
	case err == nil && rsp.StatusCode == http.StatusOK && answer.Status == "ready":
		return nil
	case err != nil || rsp.StatusCode != http.StatusServiceUnavailable || len(answer.Waiting) == 0:
		return fmt.Errorf("at %s is another server: it answers %s", rsp.Request.URL.Host, rsp.Status)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(answer.Waiting)) {
		all = append(all, name+": "+answer.Waiting[name])
	}
	return fmt.Errorf("waiting for %s", strings.Join(all, ", "))
}
