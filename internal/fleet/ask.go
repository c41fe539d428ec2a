package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	patience = time.Second // of a look at an instance
	maxBody  = 1 << 20     // bytes that are read of an answer
	maxWhy   = 200         // runes
)

// answer is what a look at an instance has found.
type answer struct {
	state    State
	why      string
	stopping bool    // it says so
	sample   *sample // nil: it has told no metrics
}

// ask asks for readiness and metrics at once: a check of readiness may take all of the
// time, and whoever answers in it is not away.
func (f *Fleet) ask(ctx context.Context, address string) answer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var metrics *sample
	var both sync.WaitGroup
	both.Go(func() { metrics = f.metrics(ctx, address) })
	a, err := f.readiness(ctx, address)
	both.Wait()
	switch {
	case err == nil:
	case metrics != nil && errors.Is(err, context.DeadlineExceeded):
		a = answer{state: Waiting, why: fmt.Sprintf("its check of readiness takes more than %s", patience)}
	default:
		a = answer{state: Away, why: brief(err)}
	}
	a.sample = metrics
	return a
}

// readiness asks /readyz. Its error is why nobody has answered.
func (f *Fleet) readiness(ctx context.Context, address string) (answer, error) {
	var spoke atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { spoke.Store(true) }})
	rsp, err := f.get(ctx, address, "/readyz")
	switch refused, ok := errors.AsType[*net.OpError](err); {
	case err != nil && spoke.Load() && ctx.Err() == nil:
		return answer{state: Unknown, why: "does not speak HTTP/1.1"}, nil // a gRPC server
	case ok && refused.Op == "remote error": // an alert of TLS: a certificate is missing, or HTTP/2
		return answer{state: Unknown, why: cut("refuses to be asked: " + refused.Err.Error())}, nil
	case err != nil:
		return answer{}, err
	}
	defer rsp.Body.Close()
	return read(rsp), nil
}

// read makes out what an answer of /readyz says.
func read(rsp *http.Response) answer {
	var said struct {
		Status  string            `json:"status"`
		Waiting map[string]string `json:"waiting"`
	}
	body, err := io.ReadAll(io.LimitReader(rsp.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &said)
	}
	switch {
	case err == nil && rsp.StatusCode == http.StatusOK && said.Status == "ready":
		return answer{state: Ready}
	case err == nil && rsp.StatusCode == http.StatusServiceUnavailable && len(said.Waiting) > 0:
		return answer{state: Waiting, why: waiting(said.Waiting), stopping: said.Waiting["stop"] != ""}
	case rsp.StatusCode == http.StatusOK || rsp.StatusCode == http.StatusNotFound:
		return answer{state: Unknown}
	default:
		return answer{state: Unknown, why: fmt.Sprintf("answers %d %s", rsp.StatusCode, http.StatusText(rsp.StatusCode))}
	}
}

// waiting says what for.
func waiting(conditions map[string]string) string {
	if why := conditions["stop"]; why != "" {
		return cut(why)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(conditions)) {
		all = append(all, name+": "+conditions[name])
	}
	return cut(strings.Join(all, "; "))
}

// metrics returns nil where there are none of ours.
func (f *Fleet) metrics(ctx context.Context, address string) *sample {
	rsp, err := f.get(ctx, address, "/metrics?"+families())
	if err != nil {
		return nil
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return nil
	}
	s, err := parse(io.LimitReader(rsp.Body, maxBody))
	if err != nil {
		return nil
	}
	s.at = f.now()
	return s
}

// get follows no redirect. The caller closes the body.
func (f *Fleet) get(ctx context.Context, address, path string) (*http.Response, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("no address to call: %q", address)
	}
	page, query, _ := strings.Cut(path, "?")
	u := &url.URL{Scheme: "http", Host: address, Path: page, RawQuery: query}
	if f.transport.DialTLSContext != nil {
		u.Scheme = "https"
	}
	req := &http.Request{Method: http.MethodGet, URL: u, Host: address, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}
	return f.transport.RoundTrip(req.WithContext(ctx))
}

// brief is why nobody has answered, in few words.
func brief(err error) string {
	wrong, bad := errors.AsType[*tls.CertificateVerificationError](err)
	op, network := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", patience)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "closes the connection"
	case bad:
		return cut("certificate: " + strings.TrimPrefix(verification(wrong.Err).Error(), "x509: "))
	case network:
		return cut(op.Err.Error())
	default:
		return cut(err.Error())
	}
}

// verification is err without the guesses at which authority may have been meant.
func verification(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return x509.UnknownAuthorityError{}
	}
	return err
}

// cut keeps what fits into a line.
func cut(s string) string {
	if r := []rune(s); len(r) > maxWhy {
		return string(r[:maxWhy-1]) + "…"
	}
	return s
}
