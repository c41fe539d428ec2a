package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go-micro.dev/v5/client"

	"github.com/micro/platform/kv-srv/kvclient"
)

// onPages measures the pages of `platform serve`, as a process of its own: how long one
// takes, and what those cost that follow.
func (o options) onPages(ctx context.Context, is wanted) error {
	if !is("page", 1) && !is("live pages", 20) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := servePages(ctx, o.keys)
	if err != nil {
		return err
	}
	defer p.stop()
	kv := kvclient.New(client.NewClient(), kvclient.WithAddress(p.kv))
	if err := fill(ctx, kv, "orders/", 0, 100_000); err != nil {
		return err
	}
	if is("page", 1) {
		err = p.pages(ctx)
	}
	if err == nil && is("live pages", 20) {
		err = p.live(ctx, kv)
	}
	return err
}

// served is `platform serve`.
type served struct {
	*exec.Cmd

	kv, console string
}

func servePages(ctx context.Context, dir string) (*served, error) {
	binary := filepath.Join(dir, "platform")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/platform").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	p := &served{Cmd: exec.CommandContext(ctx, binary, "-o", "json", "serve", "kv", "console")}
	p.Env = append(os.Environ(), "PLATFORM_DATA="+filepath.Join(dir, "data"), "PLATFORM_REGISTRY=memory:", "KV_ADDRESS=127.0.0.1:0", "CONSOLE_ADDRESS=127.0.0.1:0", "PLATFORM_LOG=warn")
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	var all []struct{ Name, Address string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&all); err != nil || len(all) != 2 {
		p.stop()
		return nil, fmt.Errorf("read where it listens: %v, %w", all, err)
	}
	p.kv, p.console = all[0].Address, "http://"+all[1].Address+"/"
	return p, nil
}

func (p *served) stop() {
	_ = p.Process.Signal(os.Interrupt) // it may have ended
	_ = p.Wait()                       // as above
}

// fill puts items of 100 bytes under a prefix and six digits, by thousands.
func fill(ctx context.Context, kv *kvclient.Client, prefix string, from, to int) error {
	for i := from; i < to; i += 1000 {
		var writes []kvclient.Write
		for j := i; j < i+1000; j++ {
			writes = append(writes, kvclient.Write{Key: fmt.Sprintf("%s%06d", prefix, j), Value: make([]byte, 100)})
		}
		if _, err := kv.BatchPut(ctx, writes); err != nil {
			return err
		}
	}
	return nil
}

// pages gets the first and a later page of the keys, through the console.
func (p *served) pages(ctx context.Context) error {
	const keys = "kv/keys?namespace=default"
	first, err := p.get(ctx, keys)
	for begun := time.Now(); err != nil && time.Since(begun) < 20*time.Second; first, err = p.get(ctx, keys) { // it is being found
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(first, `rel="next" href="`)
	next, _, _ := strings.Cut(after, `"`)
	for name, path := range map[string]string{"first": keys, "next": "kv/" + strings.ReplaceAll(next, "&amp;", "&"), "in the middle": keys + "&prefix=orders%2F05"} {
		var took []time.Duration
		for range 50 {
			begun := time.Now()
			if _, err := p.get(ctx, path); err != nil {
				return err
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		fmt.Printf("page of 100,000 keys, %-34s %.1f ms (p50), %.1f ms (most of 50)\n", name, ms(took[25]), ms(took[49]))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (p *served) get(ctx context.Context, path string) (string, error) {
	rsp, err := p.ask(ctx, path, "text/html")
	if err != nil {
		return "", err
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err == nil && !strings.Contains(string(b), "orders/") {
		err = errors.New("there are no keys on the page")
	}
	return string(b), err
}

func (p *served) ask(ctx context.Context, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.console+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if rsp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", path, rsp.Status), rsp.Body.Close())
	}
	return rsp, nil
}

// live follows 20 pages, no two the same, while ten keys a second are written: what the
// process takes of a core, with them and without.
func (p *served) live(ctx context.Context, kv *kvclient.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = kv.Put(ctx, fmt.Sprintf("orders/%06d", i%1000), make([]byte, 100)) // ends with ctx
			time.Sleep(100 * time.Millisecond)
		}
	})
	const length = 20 * time.Second
	without, err := p.cpu(length)
	if err != nil {
		return err
	}
	for i := range 20 {
		path := []string{"?", "service?name=kv-srv", "kv/?", "kv/keys?namespace=default&prefix=orders%2F0", "kv/hot?"}[i%5] + "&n=" + url.QueryEscape(strconv.Itoa(i))
		rsp, err := p.ask(ctx, path, "text/event-stream")
		if err != nil {
			return err
		}
		all.Go(func() {
			defer rsp.Body.Close()
			_, _ = io.Copy(io.Discard, rsp.Body) // ends with ctx
		})
	}
	with, err := p.cpu(length)
	cancel()
	all.Wait()
	fmt.Printf("%-56s %.1f %% of a core (without them: %.1f %%)\n", "live pages, 20, no two the same", with, without)
	return err
}

// cpu is what the process takes of a core, in percent.
func (p *served) cpu(length time.Duration) (float64, error) {
	before, err := p.ticks()
	if err != nil {
		return 0, err
	}
	time.Sleep(length)
	after, err := p.ticks()
	return float64(after-before) / 100 / length.Seconds() * 100, err // a tick is 10 ms (proc(5))
}

// ticks are utime and stime of proc(5).
func (p *served) ticks() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("read /proc: %q", b)
	}
	user, err := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return user + system, errors.Join(err, err2)
}
