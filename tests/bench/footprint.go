package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go-micro.dev/v5/client"

	"github.com/micro/platform/kv-srv/kvclient"
)

const (
	ownBytes      = "kv_bytes"
	ownItems      = "kv_items"
	heapBytes     = "go_memstats_heap_alloc_bytes"
	residentBytes = "process_resident_memory_bytes"
)

// fill implements holder, by all nodes at once.
func (n nodes) fill(ctx context.Context) error {
	const callers = 20
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		kv := kvclient.New(client.NewClient(), kvclient.WithAddress(n[i%len(n)].address))
		wg.Go(func() { errs[i] = fill(ctx, kv, keptPrefix, i*kept/callers, (i+1)*kept/callers) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	items := 0.0
	for _, p := range n {
		m, err := p.gauges(ctx, ownItems)
		if err != nil {
			return err
		}
		items += m[ownItems]
	}
	if want := float64(kept * n.copies()); items != want {
		return fmt.Errorf("%.0f items are kept, want %.0f", items, want)
	}
	return nil
}

// copies is how many there are of each item.
func (n nodes) copies() int { return min(len(n), 2) }

// footprint implements holder.
func (n nodes) footprint(ctx context.Context) (footprint, error) {
	var f footprint
	for _, p := range n {
		found, err := p.gauges(ctx, residentBytes)
		if err != nil {
			return f, err
		}
		if err := p.collect(); err != nil {
			return f, err
		}
		m, err := p.gauges(ctx, ownBytes, heapBytes, residentBytes)
		if err != nil {
			return f, err
		}
		f.own, f.heap, f.resident, f.found = f.own+m[ownBytes], f.heap+m[heapBytes], f.resident+m[residentBytes], f.found+found[residentBytes]
	}
	return f, nil
}

// gauges reads some metrics of a server.
func (p *process) gauges(ctx context.Context, names ...string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer rsp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(rsp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	found := map[string]float64{}
	for _, name := range names {
		all := families[name].GetMetric()
		if len(all) == 0 {
			return nil, fmt.Errorf("there is no metric %s", name)
		}
		for _, m := range all {
			found[name] += m.GetGauge().GetValue()
		}
	}
	return found, nil
}

// fill implements holder.
func (r *redisServer) fill(ctx context.Context) error {
	const together = 1000
	for i := 0; i < kept; i += together {
		var all []any
		for j := i; j < i+together; j++ {
			all = append(all, fmt.Sprintf("%s%06d", keptPrefix, j), value())
		}
		if err := r.client.MSet(ctx, all...).Err(); err != nil {
			return err
		}
	}
	return nil
}

// footprint implements holder.
func (r *redisServer) footprint(ctx context.Context) (footprint, error) {
	info, err := r.client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return footprint{}, err
	}
	used, err := strconv.ParseFloat(info["Memory"]["used_memory"], 64)
	if err != nil {
		return footprint{}, fmt.Errorf("INFO memory: %w", err)
	}
	resident, err := residentOf(r.cmd.Process.Pid) // that of INFO is a while old
	return footprint{own: used, resident: resident, found: resident}, err
}

// residentOf reads what Linux knows of a process (proc_pid_statm(5)).
func residentOf(pid int) (float64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, resident int
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		return 0, fmt.Errorf("/proc/%d/statm is %q: %w", pid, statm, err)
	}
	return float64(resident * os.Getpagesize()), nil
}
