package storetest_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/micro/platform/kv-srv/internal/store"
	"github.com/micro/platform/kv-srv/internal/store/memory"
	"github.com/micro/platform/kv-srv/internal/store/storetest"
)

// TestCatches runs the suite against stores that break one promise each, in processes
// of their own since the suite must fail, and checks that the right test does.
func TestCatches(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, passed := runChild(t, name, fault.test)
			if passed || !strings.Contains(out, "--- FAIL: TestChild/"+fault.test) {
				t.Errorf("%s does not catch it:\n%s", fault.test, out)
			}
		})
	}
}

func TestOptOut(t *testing.T) {
	for name, c := range optOuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, passed := runChild(t, name, c.test)
			if passed != c.passes || !strings.Contains(out, c.says) {
				t.Errorf("want %q, pass: %t, got pass: %t\n%s", c.says, c.passes, passed, out)
			}
		})
	}
}

// optOuts are what a driver may declare, the test to run, and what the suite says.
var optOuts = map[string]struct {
	optOut storetest.OptOut
	open   func(*testing.T) store.Store
	test   string
	passes bool
	says   string
}{
	"unknown test":    {storetest.OptOut{Test: "List/Colours", Why: "why"}, openMemory, "", false, "no such test"},
	"half a name":     {storetest.OptOut{Test: "Lis", Why: "why"}, openMemory, "", false, "no such test"},
	"no reason":       {storetest.OptOut{Test: "List", Why: " "}, openMemory, "", false, "no reason given"},
	"mandatory":       {storetest.OptOut{Test: "Get", Why: "why"}, openMemory, "", false, "every backend must pass Get/Missing"},
	"it can":          {storetest.OptOut{Test: "List", Why: "why"}, openMemory, "List/Order", false, "instead of *store.UnsupportedError"},
	"it cannot":       {storetest.OptOut{Test: "List", Why: "no index"}, openListless, "List", true, "no index"},
	"one test":        {storetest.OptOut{Test: "List/Order", Why: "no index"}, openListless, "List", false, "--- FAIL: TestChild/List/Paging"},
	"takes less":      {storetest.OptOut{Test: "Put/LargestValue", Why: "no room"}, openSmall, "Put/LargestValue", true, "no room"},
	"how much less":   {storetest.OptOut{Test: "Put/LargestValue", Why: "no room"}, openVague, "Put/LargestValue", false, "must name the backend, the field"},
	"says too little": {storetest.OptOut{Test: "List", Why: "why"}, openTerse, "List/Order", false, "must name the backend"},
}

// TestChild is the suite in a process of TestCatches or TestOptOut.
func TestChild(t *testing.T) {
	name := flag.Arg(0)
	if fault, ok := faults[name]; ok {
		storetest.Run(t, func(t *testing.T) store.Store { return fault.open(openMemory(t)) })
	} else if c, ok := optOuts[name]; ok {
		storetest.Run(t, c.open, c.optOut)
	} else {
		t.Skip("run by TestCatches and TestOptOut")
	}
}

func runChild(t *testing.T, name, test string) (out string, passed bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^TestChild$"
	if test != "" {
		pattern += "/^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	}
	b, err := exec.CommandContext(t.Context(), exe, "-test.v", "-test.run", pattern, name).CombinedOutput()
	return string(b), err == nil
}

func openMemory(*testing.T) store.Store { return memory.Open(memory.Options{}) }
