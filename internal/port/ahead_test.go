package port_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/micro/platform/tests/echo"
	echopb "github.com/micro/platform/tests/echo/proto/micro/test/v1"
)

// hesitant is echo-srv that takes one message of a chat, and the others when it may.
type hesitant struct {
	echo.Handler

	may chan bool // false: it takes no more
}

func (h *hesitant) Chat(ctx context.Context, st echopb.Echo_ChatStream) error {
	if _, err := st.Recv(); err != nil {
		return err
	}
	if !<-h.may {
		return nil
	}
	return h.Handler.Chat(ctx, st)
}

// chat opens Echo.Chat of a server with h.
func chat(ctx context.Context, t *testing.T, h *hesitant) grpc.ClientStream {
	t.Helper()
	st, err := dial(t, serve(t, config(), with(h)).Addr().String()).NewStream(ctx, both, "/micro.test.v1.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestAheadOrder: what waits for a slow handler comes whole and in order.
func TestAheadOrder(t *testing.T) {
	for _, size := range []int{0, 1000, 100_000} { // of which many, some and none wait
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			h := &hesitant{may: make(chan bool, 1)}
			st := chat(limited(t), t, h)
			const messages = 200
			sent := make(chan error, 1)
			go func() {
				for i := range messages {
					if err := st.SendMsg(&echopb.ChatRequest{Text: fmt.Sprint(i, strings.Repeat(".", size))}); err != nil {
						sent <- err
						return
					}
					if i == 1 {
						h.may <- true
					}
				}
				sent <- st.CloseSend()
			}()
			out := new(echopb.ChatResponse)
			for i := 1; i < messages; i++ {
				if err := st.RecvMsg(out); err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprint(i, strings.Repeat(".", size)); out.GetText() != want {
					t.Fatalf("got %.10q, want %.10q", out.GetText(), want)
				}
			}
			if err := st.RecvMsg(out); !errors.Is(err, io.EOF) {
				t.Errorf("after the last: got %v", err)
			}
			if err := receive(t, sent, "all to be sent"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAheadBound: a caller waits where the handler does not take what it sends.
func TestAheadBound(t *testing.T) {
	for name, size := range map[string]int{"large": 1 << 20, "small": 10} {
		t.Run(name, func(t *testing.T) {
			h := &hesitant{may: make(chan bool)}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			st := chat(ctx, t, h)
			bytes := 0
			for in := (&echopb.ChatRequest{Text: strings.Repeat(".", size)}); st.SendMsg(in) == nil; bytes += size {
				if bytes > 8<<20 {
					t.Fatal("eight MiB have gone where nobody takes them")
				}
			}
			<-ctx.Done()
			h.may <- false
		})
	}
}

// TestAheadLeft: a handler that takes no more leaves nothing behind.
func TestAheadLeft(t *testing.T) {
	c := config()
	leaves := nothing(t)
	h := &hesitant{may: make(chan bool, 1)}
	h.may <- false
	s := start(t, c, h)
	conn := dial(t, s.Addr().String())
	st, err := conn.NewStream(limited(t), both, "/micro.test.v1.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	in := &echopb.ChatRequest{Text: "hi"}
	for err == nil { // until the handler has ended
		err = st.SendMsg(in)
	}
	if err := st.RecvMsg(new(echopb.ChatResponse)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
	if err := errors.Join(conn.Close(), s.Stop()); err != nil {
		t.Error(err)
	}
	leaves()
}
