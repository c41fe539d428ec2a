package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// script starts and ends backends; bench runs in the folder of the module.
const script = "tests/backends/backends"

// backend is a server that kv keeps items in.
type backend struct {
	name, binary string
	dial         func(*url.URL) (items, error) // the bare client
}

func backends() []backend {
	return []backend{
		{"redis", "redis-server", dialRedis},
		{"etcd", "etcd", dialEtcd},
		{"memcached", "memcached", dialMemcached},
	}
}

// find returns where a backend is, and what ends it: as TEST_REDIS_URL says, or started
// if it is installed.
func (b backend) find(ctx context.Context, folder string) (where *url.URL, end func(), err error) {
	end = func() {}
	variable := "TEST_" + strings.ToUpper(b.name) + "_URL"
	value := os.Getenv(variable)
	if value == "" {
		if value, end, err = b.start(ctx, folder, variable); err != nil {
			return nil, nil, err
		}
	}
	if where, err = url.Parse(value); err != nil {
		end()
		return nil, nil, errors.New(variable + " is no URL") // which may have a password
	}
	return where, end, nil
}

// start starts a backend of our own, in a folder.
func (b backend) start(ctx context.Context, folder, variable string) (value string, end func(), err error) {
	if _, err := exec.LookPath(b.binary); err != nil {
		return "", nil, fmt.Errorf("%s is not set, and there is no %s to start (%s install %s)", variable, b.binary, script, b.name)
	}
	env, err := ask(ctx, folder, "env", b.name)
	if err != nil {
		return "", nil, err
	}
	found := regexp.MustCompile(`(?m)^export ` + variable + `='(.*)'$`).FindStringSubmatch(env)
	if found == nil {
		return "", nil, fmt.Errorf("%s env %s has no %s", script, b.name, variable)
	}
	end = func() {
		if _, err := ask(context.WithoutCancel(ctx), folder, "wipe", b.name); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	if _, err := ask(ctx, folder, "start", b.name); err != nil {
		end()
		return "", nil, err
	}
	return found[1], end, nil
}

// ask returns what the script prints.
func ask(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, script, args...)
	cmd.Env = append(os.Environ(), "BACKENDS_DIR="+folder)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", script, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}
