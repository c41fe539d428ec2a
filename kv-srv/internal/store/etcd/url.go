package etcd

import (
	"errors"
	"net/url"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/micro/platform/internal/etcdclient"
	"github.com/micro/platform/internal/serverurl"
	"github.com/micro/platform/kv-srv/internal/store/patience"
)

// parse reads etcd://user:password@a:2379,b:2379/prefix?ca=ca.pem&cert=c.pem&key=k.pem.
// Its errors show no password.
func parse(u *url.URL) (config clientv3.Config, root string, err error) {
	hosts, err := serverurl.Hosts(u, "etcd://a:2379,b:2379")
	if err != nil {
		return config, "", err
	}
	secure, err := serverurl.TLS(u)
	if err != nil {
		return config, "", err
	}
	config = etcdclient.Config(hosts, secure, patience.Most)
	config.Username = u.User.Username()
	config.Password, _ = u.User.Password()
	if (config.Username == "") != (config.Password == "") {
		return config, "", errors.New("etcd: want user:password@ before the hosts, or neither")
	}
	return config, "/" + serverurl.Path(u, "kv") + "/", nil
}
