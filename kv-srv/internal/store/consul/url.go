package consul

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/micro/platform/internal/serverurl"
	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/patience"
)

// maxRequest is what Consul takes in one request.
const maxRequest = 512 << 10

// dial reads consul://:token@host:8500/prefix?ca=ca.pem&cert=c.pem&key=k.pem. Its errors
// show no token.
func dial(u *url.URL) (client *api.Client, transport *http.Transport, root string, err error) {
	const example = "consul://:token@host:8500"
	hosts, err := serverurl.Hosts(u, example)
	if err != nil {
		return nil, nil, "", err
	}
	if len(hosts) != 1 {
		return nil, nil, "", errors.New("consul: takes one host, an agent that knows the others: " + example)
	}
	token, _ := u.User.Password()
	if u.User.Username() != "" || u.User != nil && token == "" {
		return nil, nil, "", errors.New("consul: want :token@ before the host, or nothing")
	}
	secure, err := serverurl.TLS(u)
	if err != nil {
		return nil, nil, "", err
	}
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	transport = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: patience.Most}).DialContext,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: patience.Most,
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     90 * time.Second,
	}
	client, err = api.NewClient(&api.Config{
		Address: hosts[0], Scheme: scheme, HttpClient: &http.Client{Transport: door{transport, token}},
	})
	return client, transport, serverurl.Path(u, "kv") + "/", err
}

// door is what requests to Consul leave by.
type door struct {
	to    http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper. The token is that of the URL, whatever Consul's
// client has found in the environment.
func (d door) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ContentLength > maxRequest {
		_ = r.Body.Close() // nothing was read
		return nil, &store.LimitError{Backend: "consul", Field: "value", Limit: "a request of 512 KiB, which has room for a value of 370 KiB"}
	}
	r = r.Clone(r.Context())
	r.Header.Del("X-Consul-Token")
	if d.token != "" {
		r.Header.Set("X-Consul-Token", d.token)
	}
	return d.to.RoundTrip(r)
}
