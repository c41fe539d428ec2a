package console

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/certs"
	"github.com/micro/platform/internal/client"
	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// proxy has the pages of a service at /kv/, and those of one of its instances at
// /kv@127.0.0.1:8106/.
//
// Whoever registers a service serves pages under the console's address. So it is not
// trusted with more than its own: script runs from the console's files alone, and reaches
// no further than the page's folder; what forms are checked by is another for each
// feature; and a service is told which one it is taken for, since an address can be
// registered by others.
type proxy struct {
	fleet     *fleet.Fleet
	site      *page.Site
	scheme    string
	transport *http.Transport
	reverse   httputil.ReverseProxy
	foreign   *http.CrossOriginProtection
}

// newProxy returns a proxy to services that begin their answer within patience.
func newProxy(f *fleet.Fleet, site *page.Site, secure *certs.Source, patience time.Duration, log *slog.Logger) *proxy {
	p := &proxy{fleet: f, site: site, scheme: "http", transport: client.HTTP(secure), foreign: http.NewCrossOriginProtection()}
	p.transport.MaxIdleConnsPerHost = 16
	p.transport.IdleConnTimeout = time.Minute
	p.transport.DialContext = connect(p.transport.DialContext)
	if secure != nil {
		p.scheme, p.transport.DialTLSContext = "https", connect(p.transport.DialTLSContext)
	}
	p.reverse = httputil.ReverseProxy{
		Transport: &upstream{p.transport, patience}, Rewrite: p.rewrite, ModifyResponse: confine, ErrorHandler: p.fail,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

func (p *proxy) close(context.Context) error {
	p.transport.CloseIdleConnections()
	return nil
}

// fail shows why a page did not come, to who is still there.
func (p *proxy) fail(w http.ResponseWriter, out *http.Request, err error) {
	to, ok := out.Context().Value(towardKey{}).(toward)
	if !ok || out.Context().Err() != nil {
		return
	}
	if _, ok := errors.AsType[*rpcerr.Error](err); !ok {
		err = rpcerr.New(codes.Unavailable, "console.away", "%s does not answer", strings.Join(to.addresses, ", ")).Because(err)
	}
	p.site.Fail(w, to.in, err)
}

// slash leads from /kv to /kv/.
func (p *proxy) slash(w http.ResponseWriter, r *http.Request) {
	if _, _, err := p.find(r.PathValue("feature")); err != nil {
		p.site.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", (&url.URL{Path: "./" + r.PathValue("feature") + "/"}).String())
	w.WriteHeader(http.StatusSeeOther)
}

// toward is where a request goes.
type toward struct {
	feature   string
	addresses []string // of the instances that may answer, the best first
	folder    string   // that the page is in, as it stands in its address: "/kv/"
	path      string   // below the folder
	in        *http.Request
}

type towardKey struct{}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("feature")
	feature, addresses, err := p.find(name)
	if err == nil {
		err = p.allows(r)
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	page.Token(w, r)
	to := toward{feature, addresses, "/" + url.PathEscape(name) + "/", "/" + r.PathValue("rest"), r}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), towardKey{}, to)))
}

// find returns the feature, and the instances whose pages are asked for.
func (p *proxy) find(name string) (feature string, addresses []string, err error) {
	name, at, _ := strings.Cut(name, "@")
	s, ok := pages(p.fleet.Services())[name]
	if !ok {
		return "", nil, rpcerr.New(codes.NotFound, "console.no_pages", "no service %q with pages is known now", page.Cut(name, 100))
	}
	first, err := choose(s, at)
	addresses = []string{first.Address}
	for _, i := range s.Instances {
		if at == "" && i.State != fleet.Away && i.Address != first.Address {
			addresses = append(addresses, i.Address)
		}
	}
	return name, addresses, err
}

// allows tells whether a request is for a page: it reads one, or sends the form of one.
func (p *proxy) allows(r *http.Request) error {
	if r.Header.Get(page.FeatureHeader) != "" {
		return rpcerr.New(codes.PermissionDenied, "console.loop", "the console is registered as a service with pages, and would ask itself")
	}
	if r.Method != http.MethodPost {
		return nil
	}
	if err := p.foreign.Check(r); err != nil {
		return rpcerr.New(codes.PermissionDenied, "forged_form", "the form is of a page of another origin")
	}
	switch t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err == nil && (t == "multipart/form-data" || t == "application/x-www-form-urlencoded"):
		return nil
	default:
		return rpcerr.Invalid("Content-Type", "only forms are passed on: call the service itself")
	}
}

// asking are the headers of a browser that a page may need to know.
func asking() []string {
	return []string{
		"Accept", "Accept-Language", "Cache-Control", "Content-Type", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-Id", "Range",
		"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "User-Agent",
	}
}

func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	to, ok := pr.In.Context().Value(towardKey{}).(toward)
	if !ok {
		return
	}
	out := pr.Out
	out.Header = only(out.Header, asking())
	out.Header["Cookie"] = pr.In.Header["Cookie"]
	page.Narrow(out, to.feature)
	out.Header.Set(page.FeatureHeader, to.feature)
	all := features(p.fleet.Services())
	out.Header.Set(page.NavHeader, strings.Join(all[:min(len(all), page.MaxNav)], " "))
	out.URL.Scheme, out.URL.Path, out.URL.RawPath = p.scheme, to.path, ""
}

// only returns what h has of some names.
func only(h http.Header, names []string) http.Header {
	some := http.Header{}
	for _, name := range names {
		if values := h[name]; values != nil {
			some[name] = values
		}
	}
	return some
}
