package openapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"html"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCurl pastes each example of the page into a shell.
func TestCurl(t *testing.T) {
	if os.Getenv("INTEROP") == "" {
		t.Skip("INTEROP=1 runs this; it needs curl")
	}
	l := start(t)
	rsp, page := l.do(t, http.MethodGet, "/docs", nil, nil)
	if rsp.StatusCode != http.StatusOK {
		t.Fatalf("got %s", rsp.Status)
	}
	examples := regexp.MustCompile(`(?s)<pre><code>(.*?)</code></pre>`).FindAllStringSubmatch(string(page), -1)
	if len(examples) != l.doc.Paths.Len() {
		t.Errorf("got %d examples of %d methods", len(examples), l.doc.Paths.Len())
	}
	for _, e := range examples {
		command := html.UnescapeString(e[1])
		if strings.Contains(command, "connect+json") {
			want := `"TYPE_PROGRESS"`
			if strings.Contains(command, "/Backup") {
				want = `{"data":"`
			}
			if got := firstFrame(t, command); !strings.Contains(got, want) {
				t.Errorf("%s\n%q", command, got)
			}
			continue
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
		var answer map[string]any
		if err != nil || json.Unmarshal(out, &answer) != nil || !answered(command, answer["code"]) {
			t.Errorf("%s\n%s, %v", command, out, err)
		}
	}
}

// answered tells whether code is one that command may end with: nothing is
// stored here, and a single node has no ring.
func answered(command string, code any) bool {
	if strings.Contains(command, "/GetRing") {
		return code == "unimplemented"
	}
	return code == nil || code == "not_found"
}

// firstFrame returns what a stream says at first.
func firstFrame(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got, err := bufio.NewReader(out).ReadString('}')
	if err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	cancel()
	_ = cmd.Wait() // it was stopped
	return got
}
