package fleet

import (
	"cmp"
	"time"
)

// A Service is its instances.
type Service struct {
	Name      string
	Instances []Instance
}

// An Instance is one process of a service, as far as it is known.
type Instance struct {
	ID, Version string // "" of one that is not in the registry
	Address     string // host:port
	Endpoints   []string
	Metadata    map[string]string

	State   State
	Why     string    // short, for people; "" of Ready, and of Unknown where nothing is wrong
	Started time.Time // of the process; zero: not known
	Changed time.Time // when State changed last: as long as it has not, Started, or the first look
	Load    Load
}

// State is whether an instance can be called.
type State int

// The states.
const (
	Unknown State = iota // answers, but does not say: a plain go-micro service, or who refuses to be asked
	Ready
	Waiting // answers, and is not ready
	Away    // does not answer
)

func (s State) String() string {
	switch s {
	case Ready:
		return "ready"
	case Waiting:
		return "waiting"
	case Away:
		return "away"
	default:
		return "unknown"
	}
}

// Load is what calls do to an instance: rates over the last five seconds, quantiles of
// how long unary calls took over the last ten, or since the last look where that is
// longer ago.
type Load struct {
	Known    bool    // the others are zero unless it is
	Calls    float64 // that have ended, per second
	Errors   float64 // of them those that were not answered, per second
	InFlight int
	P50, P99 time.Duration // zero where no unary call has ended
}

// A Point is the load of all instances of a service together.
type Point struct {
	Time time.Time
	Load Load
}

// instance is what a fleet keeps of an Instance. Fleet.mu guards it.
type instance struct {
	Instance

	static   bool
	listed   bool            // as far as is known: a list that fails changes nothing
	unlisted time.Time       // since when it is not
	ids      map[string]bool // that the registry has, or had before, for the address
	left     time.Time       // when it was seen to stop; zero: it was not
	looked   time.Time       // last; zero: never
	samples  samples
	recent   buckets // what the quantiles are of
}

// grace is how long an instance stays that the registry has no more.
const grace = time.Minute

// gone tells whether nobody needs to know of i any more.
func (i *instance) gone(now time.Time) bool {
	switch {
	case i.static || i.listed:
		return false
	case i.looked.IsZero():
		return true
	case i.State == Away:
		return !i.left.IsZero() || now.Sub(i.Changed) >= grace
	default:
		return now.Sub(i.unlisted) >= grace // another process has its port now, or it has lost the registry
	}
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.service, other.service), cmp.Compare(k.address, other.address))
}
