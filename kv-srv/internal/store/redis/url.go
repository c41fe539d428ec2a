package redis

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/micro/platform/internal/serverurl"
	"github.com/micro/platform/kv-srv/internal/store/patience"
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
// and with rediss in place of redis the same by TLS. Files of ca, cert and key mean TLS, too.
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
	scheme, mode, _ := strings.Cut(u.Scheme, "+")
	form, known := forms()[mode]
	if !known || scheme != "redis" && scheme != "rediss" {
		return address{}, fmt.Errorf("redis: no scheme %q (have redis, redis+cluster, redis+sentinel, and the same with rediss)", u.Scheme)
	}
	a := address{kind: form.kind, user: u.User.Username()}
	a.password, _ = u.User.Password()
	var err error
	if a.hosts, err = serverurl.Hosts(u, form.example); err != nil {
		return a, err
	}
	if a.user != "" && a.password == "" {
		return a, fmt.Errorf("%s: want user:password@ or :password@ before the hosts, or neither", u.Scheme)
	}
	rest := *u
	if rest.RawQuery, err = a.place(u); err != nil {
		return a, fmt.Errorf("%s: %w, want %s", u.Scheme, err, form.example)
	}
	if query, err := url.ParseQuery(rest.RawQuery); err == nil && scheme == "rediss" {
		query.Set("tls", "true")
		rest.RawQuery = query.Encode()
	}
	a.secure, err = serverurl.TLS(&rest)
	return a, err
}

type form struct {
	kind    kind
	example string
}

func forms() map[string]form {
	return map[string]form{
		"":         {one, "redis://host:6379/0"},
		"sentinel": {sentinel, "redis+sentinel://a:26379,b:26379/mymaster?db=0"},
		"cluster":  {cluster, "redis+cluster://a:6379,b:6379"},
	}
}

// place reads the path and db, and returns the other parameters.
func (a *address) place(u *url.URL) (others string, err error) {
	path := strings.TrimPrefix(u.Path, "/")
	db, others := path, u.RawQuery
	switch a.kind {
	case cluster:
		if path != "" {
			return "", fmt.Errorf("a cluster has no /%s", path)
		}
	case sentinel:
		if path == "" || strings.Contains(path, "/") {
			return "", fmt.Errorf("%q is no name of a master", path)
		}
		a.master = path
		if query, err := url.ParseQuery(others); err == nil {
			db = query.Get("db")
			query.Del("db")
			others = query.Encode()
		}
	case one:
		if len(a.hosts) > 1 {
			return "", fmt.Errorf("%d hosts are for redis+cluster or redis+sentinel", len(a.hosts))
		}
	}
	if db == "" {
		return others, nil
	}
	if a.db, err = strconv.Atoi(db); err != nil || a.db < 0 {
		return "", fmt.Errorf("%q is no number of a database", db)
	}
	return others, nil
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
		DialTimeout:           patience.Most,
		ReadTimeout:           patience.Most,
		PoolTimeout:           patience.Most,
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
