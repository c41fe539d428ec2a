package abuse_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"syscall"
	"testing"
)

// TestKillDisk kills kv-srv in the middle of many writes, several times over. Every write
// that was acknowledged is there afterwards, with its version, and versions go on
// growing.
func TestKillDisk(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KV_STORE": "disk:", "PLATFORM_DATA": t.TempDir()}
	kept := make(map[string]string) // the last version of each key
	for round := range 3 {
		p := begin(t, built(t), env)
		address := p.address(t)
		wantVersions(t, address, kept)
		acked := writeUntilKilled(t, p, address, round, 700)
		for key, version := range acked {
			if !later(version, kept[key]) {
				t.Errorf("%s: version %s follows %s", key, version, kept[key])
			}
		}
		maps.Copy(kept, acked)
	}
	p := begin(t, built(t), env)
	wantVersions(t, p.address(t), kept)
	p.signal(t, syscall.SIGTERM)
	p.expect(t, 0, soon)
}

// writeUntilKilled writes from several callers, kills the process after so many writes,
// and returns what was acknowledged. Half of the keys are new, the others are written in
// each round.
func writeUntilKilled(t *testing.T, p *process, address string, round, writes int) map[string]string {
	t.Helper()
	acked := make(map[string]string)
	var mu sync.Mutex
	var group sync.WaitGroup
	kill := sync.OnceFunc(func() { p.signal(t, syscall.SIGKILL) })
	for caller := range killers {
		group.Go(func() {
			client := newKeeperClient()
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				key := fmt.Sprintf("again/%d/%d", caller, i)
				if i%2 == 0 {
					key = fmt.Sprintf("new/%d/%d/%d", round, caller, i)
				}
				var rsp struct{ Version string }
				if !callJSON(client, address, "Put", map[string]any{"key": key, "value": []byte(key)}, &rsp) {
					return // killed
				}
				mu.Lock()
				if acked[key] = rsp.Version; len(acked) == writes {
					kill()
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	p.exit(t, soon)
	if len(acked) < writes {
		t.Fatalf("%d writes were acknowledged:\n%s", len(acked), p.stderr.String())
	}
	return acked
}

// later compares versions.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// wantVersions checks that each key has its version, or a later one: a write that was
// under way when the process was killed may be kept.
func wantVersions(t *testing.T, address string, kept map[string]string) {
	t.Helper()
	client := newKeeperClient()
	defer client.CloseIdleConnections()
	newer := 0
	for key, version := range kept {
		var rsp struct {
			Item struct {
				Version string
				Value   []byte
			}
		}
		if !callJSON(client, address, "Get", map[string]any{"key": key}, &rsp) || later(version, rsp.Item.Version) || string(rsp.Item.Value) != key {
			t.Fatalf("%s: got %+v, want version %s", key, rsp.Item, version)
		}
		if later(rsp.Item.Version, version) {
			newer++
		}
	}
	if newer > 3*killers {
		t.Errorf("%d items are later than what was acknowledged, of %d that may be", newer, 3*killers)
	}
}

// killers is how many callers write at once.
const killers = 16

func newKeeperClient() *http.Client { return &http.Client{Transport: &http.Transport{}, Timeout: soon} }

// callJSON calls a method of KV and tells whether it was answered well.
func callJSON(c *http.Client, address, method string, req, rsp any) bool {
	body, err := json.Marshal(req)
	if err != nil {
		return false
	}
	r, err := c.Post("http://"+address+"/micro.kv.v1.KV/"+method, "application/json", bytes.NewReader(body))
	if err != nil {
		return false
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	return err == nil && r.StatusCode == http.StatusOK && json.Unmarshal(got, rsp) == nil
}
