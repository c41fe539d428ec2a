package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// commands is a run of redis-benchmark: callers that each send so many commands before
// they read the answers.
type commands struct {
	test     string // as redis-benchmark calls it
	pipeline int
}

// respCallers is how many connections redis-benchmark makes.
const respCallers = 50

func (c commands) name() string {
	return fmt.Sprintf("kv resp %s, Redis, by redis-benchmark -P %d", strings.ToUpper(c.test), c.pipeline)
}

// count is how many commands take about a second.
func (c commands) count() int {
	if c.pipeline > 1 {
		return 400_000
	}
	return 50_000
}

// onRESP compares kv's listener for clients of Redis with Redis, both asked by
// redis-benchmark for values of 100 bytes under 10,000 keys.
func (o options) onRESP(ctx context.Context, is wanted) error {
	var all []commands
	for _, pipeline := range []int{1, 16} {
		for _, test := range []string{"set", "get"} {
			if c := (commands{test, pipeline}); is(c.name(), respCallers) {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, binary := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(binary); err != nil {
			fmt.Printf("left out, of resp: there is no %s (%s install redis)\n", binary, script)
			return nil
		}
	}
	ours, err := startServer(ctx, "resp", o.profile, "")
	if err != nil {
		return err
	}
	defer ours.stop()
	peer, err := startRedis(ctx, filepath.Join(o.keys, "redis"))
	if err != nil {
		return err
	}
	defer peer.stop()
	for _, w := range []worker{ours, peer} { // so that GET finds what it asks for
		if _, err := (commands{"set", 16}).run(ctx, w); err != nil {
			return err
		}
	}
	for _, c := range all {
		if err := c.measure(ctx, o, ours, peer); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	return nil
}

// worker is a server whose work can be measured.
type worker interface {
	at() string
	cpu() (time.Duration, error)
}

func (p *process) at() string { return p.address }

// measure runs both in turn and prints what measurement.measure does.
func (c commands) measure(ctx context.Context, o options, ours, peer worker) error {
	var all pairs
	for i := range o.pairs + 1 {
		order := []worker{ours, peer}
		if i%2 == 1 {
			order = []worker{peer, ours}
		}
		found := map[worker]run{}
		for _, w := range order {
			var err error
			if found[w], err = c.run(ctx, w); err != nil {
				return err
			}
		}
		if i == 0 {
			continue // the first pair warms up
		}
		all.ours, all.peer = append(all.ours, found[ours]), append(all.peer, found[peer])
	}
	all.print(c.name(), respCallers)
	cpuA, cpuB := all.medians(func(r run) time.Duration { return r.cpu })
	fmt.Printf("  %8.1f %8.1f\n", micros(cpuA), micros(cpuB))
	return nil
}

// run has redis-benchmark measure one server.
func (c commands) run(ctx context.Context, w worker) (run, error) {
	before, err := w.cpu()
	if err != nil {
		return run{}, err
	}
	host, port, err := net.SplitHostPort(w.at())
	if err != nil {
		return run{}, err
	}
	cmd := exec.CommandContext(ctx, "redis-benchmark", "-h", host, "-p", port, "-t", c.test, "-P", strconv.Itoa(c.pipeline),
		"-n", strconv.Itoa(c.count()), "-c", strconv.Itoa(respCallers), "-d", "100", "-r", "10000", "--csv")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return run{}, fmt.Errorf("redis-benchmark: %w: %s", err, complaint.String())
	}
	after, err := w.cpu()
	if err != nil {
		return run{}, err
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return run{}, fmt.Errorf("redis-benchmark says %q, error %w", out, err)
	}
	rate, err := strconv.ParseFloat(rows[1][1], 64)
	return run{rate: rate, cpu: (after - before) / time.Duration(c.count())}, err
}

// redisServer is one that keeps nothing on disk.
type redisServer struct {
	cmd    *exec.Cmd
	client *redis.Client
}

// startRedis starts Redis in a folder.
func startRedis(ctx context.Context, folder string) (*redisServer, error) {
	address, err := freePort(ctx) // Redis takes no port 0
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r := &redisServer{
		cmd:    exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(folder)),
		client: redis.NewClient(&redis.Options{Addr: address, MaxRetries: 20, MaxRetryBackoff: 100 * time.Millisecond}),
	}
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.client.Close())
	}
	if err := r.client.Ping(ctx).Err(); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *redisServer) at() string { return r.client.Options().Addr }

// cpu is the time that Redis says it has worked.
func (r *redisServer) cpu() (time.Duration, error) {
	info, err := r.client.InfoMap(context.Background(), "cpu").Result()
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		n, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return 0, fmt.Errorf("INFO cpu: %w", err)
		}
		total += n
	}
	return time.Duration(total * float64(time.Second)), nil
}

func (r *redisServer) stop() {
	_ = r.client.Close()
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // it was killed
}
