package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// kind is who says where the master of a namespace is.
type kind int

const (
	one      kind = iota // nobody: there is one
	sentinel             // Sentinels
	cluster              // the nodes of a cluster
)

// address is what a URL names:
//
//	redis://user:password@host:6379/0
//	redis+sentinel://user:password@s1:26379,s2:26379/mymaster?db=0
//	redis+cluster://user:password@a:6379,b:6379
//
// and with rediss in place of redis the same by TLS, with ca, cert and key.
type address struct {
	kind     kind
	hosts    []string
	master   string // its name for the Sentinels
	db       int
	user     string
	password string
	secure   *tls.Config // nil: no TLS
}

// parse reads a URL. Its errors show no password.
func parse(u *url.URL) (address, error) {
	a := address{hosts: strings.Split(u.Host, ","), user: u.User.Username()}
	a.password, _ = u.User.Password()
	scheme, mode, _ := strings.Cut(u.Scheme, "+")
	example, known := examples()[mode]
	if !known || scheme != "redis" && scheme != "rediss" {
		return a, fmt.Errorf("redis: no scheme %q (have redis, redis+cluster, redis+sentinel, and by TLS rediss, rediss+cluster, rediss+sentinel)", u.Scheme)
	}
	a.kind = example.kind
	for _, host := range a.hosts {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return a, fmt.Errorf("redis: %q is no host:port, want %s", host, example.url)
		}
	}
	if a.user != "" && a.password == "" {
		return a, errors.New("redis: want user:password@ or :password@ before the hosts, or neither")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, errors.New("redis: parameters are not of the form ca=ca.pem&cert=c.pem")
	}
	if err := a.place(strings.TrimPrefix(u.Path, "/"), query, example.url); err != nil {
		return a, err
	}
	return a, a.security(scheme == "rediss", query)
}

type example struct {
	kind kind
	url  string
}

func examples() map[string]example {
	return map[string]example{
		"":         {one, "redis://host:6379/0"},
		"sentinel": {sentinel, "redis+sentinel://a:26379,b:26379/mymaster?db=0"},
		"cluster":  {cluster, "redis+cluster://a:6379,b:6379"},
	}
}

// place reads the path, and takes db from the parameters.
func (a *address) place(path string, query url.Values, want string) error {
	db := path
	switch a.kind {
	case cluster:
		if path != "" {
			return fmt.Errorf("redis: a cluster has no %q, want %s", "/"+path, want)
		}
		return nil
	case sentinel:
		if path == "" || strings.Contains(path, "/") {
			return fmt.Errorf("redis: %q is no name of a master, want %s", path, want)
		}
		a.master, db = path, query.Get("db")
		query.Del("db")
	case one:
		if len(a.hosts) > 1 {
			return fmt.Errorf("redis: %d hosts, want %s (or redis+cluster or redis+sentinel)", len(a.hosts), want)
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return fmt.Errorf("redis: %q is no number of a database, want %s", db, want)
	}
	a.db = int(n)
	return nil
}

// security reads ca, cert and key.
func (a *address) security(secure bool, query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case name != "ca" && name != "cert" && name != "key":
			return fmt.Errorf("redis: no parameter %q (have ca, cert, key, and db with redis+sentinel)", name)
		case !secure:
			return fmt.Errorf("redis: %s is for TLS, want rediss in place of redis", name)
		}
	}
	if !secure {
		return nil
	}
	a.secure = &tls.Config{MinVersion: tls.VersionTLS12}
	if file := query.Get("ca"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // settings name files
		if err != nil {
			return fmt.Errorf("redis: ca: %w", err)
		}
		a.secure.RootCAs = x509.NewCertPool()
		if !a.secure.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("redis: ca: no certificate in %s", file)
		}
	}
	cert, key := query.Get("cert"), query.Get("key")
	if (cert == "") != (key == "") {
		return errors.New("redis: cert and key go together")
	}
	if cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("redis: cert and key: %w", err)
	}
	a.secure.Certificates = []tls.Certificate{pair}
	return nil
}

// connect returns a client with at most so many connections to each server, which it
// opens when it needs them.
func (a *address) connect(connections int) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs:                 a.hosts,
		MasterName:            a.master,
		DB:                    a.db,
		Username:              a.user,
		Password:              a.password,
		TLSConfig:             a.secure,
		Protocol:              2, // nothing here needs more
		DisableIdentity:       true,
		ContextTimeoutEnabled: true,
		DialTimeout:           patience,
		ReadTimeout:           patience,
		PoolTimeout:           patience,
		DialerRetries:         1,
		PoolSize:              connections,
		PipelinePoolSize:      -1,
	}
	switch a.kind {
	case cluster:
		c := o.Cluster()
		c.DisableRoutingPolicies = true // each command has its key
		return redis.NewClusterClient(c)
	case sentinel:
		return redis.NewFailoverClient(o.Failover())
	default:
		return redis.NewClient(o.Simple())
	}
}
