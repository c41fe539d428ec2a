package ring_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/micro/platform/kv-srv/internal/store/ring"
	ringpb "github.com/micro/platform/proto/micro/ring/v1"
)

// proof is what a node with a key says to another one at a time.
func proof(key []byte, at time.Time, to string) string {
	said := fmt.Sprint(at.Unix(), " word")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("ring " + said + " to " + to))
	return said + " " + hex.EncodeToString(mac.Sum(nil))
}

// ask makes one of the calls of a node, and returns its error.
func ask(ctx context.Context, conn *grpc.ClientConn, method string) error {
	if method == "Beat" {
		return conn.Invoke(ctx, "/micro.ring.v1.Ring/Beat", &ringpb.BeatRequest{Claim: &ringpb.Claim{Self: &ringpb.Member{}}}, &ringpb.BeatResponse{})
	}
	asked, answer := map[string]proto.Message{
		"Link": &ringpb.LinkRequest{Calls: []*ringpb.Call{{Id: 1, Figures: &ringpb.Figures{}}}},
		"Feed": &ringpb.FeedRequest{View: 1},
	}[method], &ringpb.LinkResponse{}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/micro.ring.v1.Ring/"+method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(asked); err != nil && !errors.Is(err, io.EOF) { // the answer says why it has ended
		return err
	}
	if method == "Feed" {
		if err := stream.CloseSend(); err != nil {
			return err
		}
	}
	return stream.RecvMsg(answer)
}

// TestKey: who does not prove to have the key is told why, whatever it calls, and nothing
// of the key.
func TestKey(t *testing.T) {
	key, other := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	log := &lines{}
	n := newNode(t, func(o *ring.Options) {
		o.Key, o.Log = key, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	settle(t, n)
	conn, err := dial(n.name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	now, noKey, clock := time.Now(), "does not have the key of this ring", "the clocks of the nodes are"
	good := proof(key, now, n.name)
	for name, c := range map[string]struct{ proof, want string }{
		"the key":           {good, ""},
		"its clock is off":  {proof(key, now.Add(-30*time.Second), n.name), ""},
		"another key":       {proof(other, now, n.name), noKey},
		"no proof":          {"", noKey},
		"no words":          {"proof", noKey},
		"another time":      {strings.Replace(good, fmt.Sprint(now.Unix()), fmt.Sprint(now.Unix()+1), 1), noKey},
		"half of the proof": {good[:len(good)-32], noKey},
		"for another node":  {proof(key, now, "127.0.0.1:1"), noKey},
		"an old proof":      {proof(key, now.Add(-2*time.Minute), n.name), clock},
		"one of tomorrow":   {proof(key, now.Add(24*time.Hour), n.name), clock},
	} {
		for _, method := range []string{"Beat", "Link", "Feed"} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := ask(metadata.AppendToOutgoingContext(ctx, "Ring-Proof", c.proof), conn, method)
			cancel()
			refused := status.Code(err) == codes.Unauthenticated
			if refused != (c.want != "") || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("%s with %s: got %v, want %q", method, name, err, c.want)
			}
			wantNoKey(t, fmt.Sprint(err), key)
		}
	}
	wantNoKey(t, log.String(), key)
}

func wantNoKey(t *testing.T, said string, key []byte) {
	t.Helper()
	for _, k := range []string{string(key), base64.StdEncoding.EncodeToString(key), hex.EncodeToString(key), fmt.Sprint(key)} {
		if strings.Contains(said, k) {
			t.Errorf("the key is told: %s", said)
		}
	}
}

// lines is what was logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestKeyed: nodes with the same key are a ring.
func TestKeyed(t *testing.T) {
	all := newRing(t, 2, func(o *ring.Options) { o.Key = []byte("0123456789abcdef") })
	want := fill(t, all[0], 50)
	wantAll(t, all[1], want)
}
