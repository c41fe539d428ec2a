package console

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
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
// trusted with more than its own: script runs from the console's files alone, and what
// forms are checked by is another for each feature.
type proxy struct {
	fleet     *fleet.Fleet
	site      *page.Site
	scheme    string
	transport *http.Transport
	reverse   httputil.ReverseProxy
	foreign   *http.CrossOriginProtection
}

func newProxy(f *fleet.Fleet, site *page.Site, scheme string, secure *certs.Source) *proxy {
	p := &proxy{fleet: f, site: site, scheme: scheme, transport: client.HTTP(secure), foreign: http.NewCrossOriginProtection()}
	p.transport.MaxIdleConnsPerHost = 16
	p.transport.IdleConnTimeout = time.Minute
	p.reverse = httputil.ReverseProxy{
		Transport: p.transport, Rewrite: p.rewrite, ModifyResponse: confine,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				site.Fail(w, r, rpcerr.New(codes.Unavailable, "console.away", "%s does not answer", r.URL.Host).Because(err))
			}
		},
	}
	return p
}

func (p *proxy) close(context.Context) error {
	p.transport.CloseIdleConnections()
	return nil
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
type toward struct{ feature, address, path, host string }

type towardKey struct{}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, address, err := p.find(r.PathValue("feature"))
	if err == nil {
		err = p.allows(r)
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	page.Token(w, r)
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), towardKey{}, toward{name, address, "/" + r.PathValue("rest"), r.Host})))
}

// find returns the feature, and the instance whose pages are asked for.
func (p *proxy) find(name string) (feature, address string, err error) {
	name, at, _ := strings.Cut(name, "@")
	all := p.fleet.Services()
	i := slices.IndexFunc(all, func(s fleet.Service) bool { return named(s, name) && paged(s) })
	if i < 0 {
		return "", "", rpcerr.New(codes.NotFound, "console.no_pages", "no service %q with pages is known now", page.Cut(name, 100))
	}
	one, err := choose(all[i], at)
	return name, one.Address, err
}

func named(s fleet.Service, name string) bool { return feature(s.Name) == name }

// allows tells whether a request is for a page: it reads one, or sends the form of one.
func (p *proxy) allows(r *http.Request) error {
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

func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	to, ok := pr.In.Context().Value(towardKey{}).(toward)
	if !ok {
		return
	}
	out := pr.Out
	out.URL.Scheme, out.URL.Host, out.URL.Path, out.URL.RawPath = p.scheme, to.address, to.path, ""
	out.Host = to.address
	out.Header.Del("Origin") // it is the console's; allows has looked at it
	out.Header.Del("Referer")
	out.Header.Del("Authorization")
	page.Narrow(out, to.feature)
	out.Header.Set(page.NavHeader, strings.Join(features(p.fleet.Services()), " "))
}

// confine lets a page have the console's script alone, whatever it says itself: a browser
// keeps to both.
func confine(rsp *http.Response) error {
	h := rsp.Header
	h.Del("Set-Cookie")
	h.Del("Service-Worker-Allowed")
	h.Add("Content-Security-Policy", strings.Join([]string{
		"script-src " + scripts(rsp.Request.Context()), "object-src 'none'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	if rsp.StatusCode == http.StatusSwitchingProtocols {
		return errors.New("it wants to switch protocols")
	}
	return nil
}

// scripts are the console's own, as browsers name it in a policy; those have no names for
// IPv6 addresses.
func scripts(ctx context.Context) string {
	to, _ := ctx.Value(towardKey{}).(toward)
	if to.host == "" || strings.Trim(strings.ToLower(to.host), "abcdefghijklmnopqrstuvwxyz0123456789.:-") != "" {
		return "'self'"
	}
	return to.host + "/assets/"
}
