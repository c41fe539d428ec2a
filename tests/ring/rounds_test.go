package ring_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestRounds does something at random to a node, ROUNDS times, while the load goes on,
// and waits each time until the ring is whole again. SEED repeats the choices of a run.
func TestRounds(t *testing.T) {
	interop(t)
	rounds, seed := number(t, "ROUNDS", 10), number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d", seed)
	c := newCluster(t, nil, loopback(t, 3)...)
	c.play(c.load(3000), rand.New(rand.NewPCG(seed, 0)), int(rounds))
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func (c *cluster) play(l *load, random *rand.Rand, rounds int) {
	c.t.Helper()
	w := l.watch()
	l.start()
	for round := range rounds {
		l.last(300)
		p := c.nodes[random.IntN(len(c.nodes))]
		what := c.possible()
		name := what[random.IntN(len(what))]
		c.logf("round %d: %s %s", round+1, name, p.address)
		c.disturb(name, p, random)
		c.settle(name)
		l.report()
		if c.t.Failed() {
			break // what comes next would only hide it
		}
	}
	l.last(300)
	l.stop()
	l.verify()
	w.wantFinal()
}

// possible is what may be done to a ring of three to five nodes.
func (c *cluster) possible() []string {
	all := []string{"kill", "kill and settle", "stop", "leave and return"}
	if len(c.nodes) < 5 {
		all = append(all, "join")
	}
	if len(c.nodes) > 3 {
		all = append(all, "leave", "kill for good")
	}
	slices.Sort(all)
	return all
}

func (c *cluster) disturb(name string, p *process, random *rand.Rand) {
	c.t.Helper()
	switch name {
	case "kill":
		c.kill(p)
		wait(c.t, time.Duration(random.IntN(3000))*time.Millisecond)
		c.again(p)
	case "kill and settle":
		c.kill(p)
		c.settle("killed")
		c.again(p)
	case "kill for good":
		c.kill(p)
		c.forget(p)
	case "stop":
		c.stop(p)
		wait(c.t, time.Second+time.Duration(random.IntN(5000))*time.Millisecond)
		p.goOn()
	case "leave and return":
		c.leave(p)
		c.again(p)
	case "leave":
		c.leave(p)
		c.forget(p)
	case "join":
		c.join(loopback(c.t, 1)[0])
	default:
		c.t.Fatalf("no way to %s", name)
	}
}
