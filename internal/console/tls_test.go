package console_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/certs/certstest"
	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// secured is a console with mutual TLS, whose files a test may change.
type secured struct {
	*site

	files   map[string]string // by the setting
	trusted []byte
	conf    *tls.Config // of the browser
}

func runSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{files: map[string]string{}, conf: &tls.Config{ServerName: "platform.test", RootCAs: x509.NewCertPool()}}
	for _, name := range []string{"PLATFORM_TLS_CERT", "PLATFORM_TLS_KEY", "PLATFORM_TLS_CA", "PLATFORM_TLS_CLIENT_CA"} {
		s.files[name] = certstest.File(t, nil)
	}
	own := s.issue(t)
	s.conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	env := map[string]string{"PLATFORM_TLS_SERVER_NAME": "platform.test"}
	maps.Copy(env, s.files)
	p := hosttest.Run(t, env, kvserver.Service(), echo.Service(&echo.Handler{}), console.Service())
	over := &http.Transport{TLSClientConfig: s.conf, DisableKeepAlives: true}
	s.site = &site{Platform: p, t: t, base: "https://" + p.Address("console"), transport: over}
	s.await("/", "3 services, 3 instances, all ready")
	return s
}

// issue gives the services a certificate of a new CA, which all trust besides those before.
func (s *secured) issue(t *testing.T) tls.Certificate {
	t.Helper()
	ca := certstest.NewCA(t)
	pair := ca.Issue("platform.test", time.Now().Add(time.Hour))
	s.trusted = append(s.trusted, ca.PEM...)
	for name, data := range map[string][]byte{"PLATFORM_TLS_KEY": pair.Key, "PLATFORM_TLS_CERT": pair.Cert, "PLATFORM_TLS_CA": s.trusted, "PLATFORM_TLS_CLIENT_CA": s.trusted} {
		certstest.Replace(t, s.files[name], data)
	}
	s.conf.RootCAs.AppendCertsFromPEM(ca.PEM)
	own, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// awaitCertificate waits until a service has it.
func (s *secured) awaitCertificate(service string, cert tls.Certificate) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		conn, err := (&tls.Dialer{Config: s.conf}).DialContext(s.t.Context(), "tcp", s.Address(service))
		if err != nil {
			s.t.Fatal(err)
		}
		got := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
		_ = conn.Close() // nothing was sent
		if bytes.Equal(got, cert.Certificate[0]) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.t.Fatalf("%s has no new certificate", service)
}

// TestRenewed: certificates, and who vouches for them, may change while the console runs.
func TestRenewed(t *testing.T) {
	s := runSecured(t)
	renewed := s.issue(t)
	for _, service := range []string{"kv-srv", "echo-srv", "console"} {
		s.awaitCertificate(service, renewed)
	}
	s.has(s.get("/service?name=echo-srv"), http.StatusOK, "Echo.Collect")
	s.has(s.get("/kv/"), http.StatusOK, ">Namespaces<")
	s.await("/", "3 services, 3 instances, all ready")
}

// TestStranger: who has no certificate that the console trusts is not asked for pages.
func TestStranger(t *testing.T) {
	s := runSecured(t)
	asked := make(chan string, 100)
	answer := func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }
	for _, stranger := range []*httptest.Server{httptest.NewTLSServer(ready(answer)), httptest.NewServer(ready(answer))} {
		t.Cleanup(stranger.Close)
		node := &registry.Node{Id: stranger.URL, Address: stranger.Listener.Addr().String(), Metadata: map[string]string{"pages": "/"}}
		if err := s.Registry.Register(&registry.Service{Name: "stranger-srv", Version: "1", Nodes: []*registry.Node{node}}); err != nil {
			t.Fatal(err)
		}
		s.await("/", `id="i-stranger-srv-`+node.Address)
		s.has(s.get("/stranger@"+node.Address+"/"), http.StatusServiceUnavailable, node.Address+" does not answer")
	}
	if len(asked) > 0 {
		t.Errorf("a stranger was asked for %s", <-asked)
	}
}
