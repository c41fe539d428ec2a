package discoveryclient

import (
	"sync"

	"google.golang.org/protobuf/proto"

	discoverypb "github.com/micro/platform/proto/micro/discovery/v1"
)

// held is an instance that is registered, or is to be.
type held struct {
	turn sync.Mutex // held while discovery is told

	mu       sync.Mutex
	request  *discoverypb.RegisterRequest
	status   discoverypb.Status // that it has said last
	reason   string
	lease    string // "": there is none
	failure  error  // why it was never registered; nil: it was, or was not tried
	once     bool   // it was
	released bool
}

// set says what is to be registered, and returns false where that is.
func (l *held) set(req *discoverypb.RegisterRequest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease != "" && proto.Equal(l.request, req) {
		return false
	}
	l.request, l.lease = req, ""
	return true
}

// due returns what is to be registered, and with its status; nil: nothing is.
func (l *held) due() (asked, req *discoverypb.RegisterRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released || l.lease != "" {
		return nil, nil
	}
	req = proto.CloneOf(l.request)
	req.Instance.InstanceStatus, req.Instance.StatusReason = l.status, l.reason
	return l.request, req
}

func (l *held) lose(lease string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease == lease {
		l.lease = ""
	}
}
