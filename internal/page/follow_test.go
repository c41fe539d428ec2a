package page_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/micro/platform/internal/page"
	"github.com/micro/platform/internal/rpcerr"
)

// following is a view that follows f.
func following(f func(ctx context.Context, emit func(any) error) error) page.View {
	return page.View{
		Name:   "show",
		Show:   func(context.Context, *page.Request) (page.Content, error) { return page.Content{}, nil },
		Follow: func(ctx context.Context, _ *page.Request, emit func(any) error) error { return f(ctx, emit) },
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		entries := make(chan string)
		w := look(t, live(t, following(func(ctx context.Context, emit func(any) error) error {
			for {
				select {
				case e := <-entries:
					if err := emit(e); err != nil {
						return err
					}
				case <-ctx.Done():
					ended <- ctx.Err()
					return ctx.Err()
				}
			}
		}), nil), "/show")
		for _, e := range []string{"a", "<b>", "c\r\nd"} {
			entries <- e
		}
		wantEvents(t, w)
		time.Sleep(100 * time.Millisecond)
		wantEvents(t, w, "entry: [c&#13;\nd][&lt;b&gt;][a]")
		time.Sleep(time.Minute)
		wantEvents(t, w)
		for i := range 250 {
			entries <- fmt.Sprint(i)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		all := w.events()
		if len(all) != 1 || strings.Count(all[0], "[") != 200 || !strings.HasPrefix(all[0], "entry: [249][248]") ||
			!strings.HasSuffix(all[0], `[50]<div class="entry note">50 more came at once and are not shown</div>`) {
			t.Errorf("of 250 at once got %q", all)
		}
		entries <- "e"
		time.Sleep(100 * time.Millisecond)
		wantEvents(t, w, "entry: [e]")
		w.leave()
		<-w.done
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		wantEvents(t, w)
	})
}

// TestFollowEnds: the reader is told why, after all that came before, and the browser does
// not ask again of its own accord.
func TestFollowEnds(t *testing.T) {
	const again = ` <a href="show?a=b">Follow again</a></div>`
	for name, tt := range map[string]struct {
		end    func() error
		want   []string
		logged bool
	}{
		"for a reason":  {func() error { return rpcerr.New(codes.ResourceExhausted, "kv.lagging", "too <slow>") }, []string{`entry: <div class="entry trouble" role="alert">too &lt;slow&gt;` + again + `[last]`, "ended: "}, false},
		"for our fault": {func() error { return errors.New("s3cret") }, []string{`entry: <div class="entry trouble" role="alert">internal error` + again + `[last]`, "ended: "}, true},
		"by a panic":    {func() error { panic("s3cret") }, []string{`entry: <div class="entry trouble" role="alert">internal error` + again + `[last]`, "ended: "}, true},
		"for none":      {func() error { return nil }, []string{"entry: [last]"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := look(t, live(t, following(func(_ context.Context, emit func(any) error) error {
					if err := emit("last"); err != nil {
						return err
					}
					return tt.end()
				}), slog.New(slog.NewTextHandler(&log, nil))), "/show?a=b")
				<-w.done
				wantEvents(t, w, tt.want...)
				if got := strings.Contains(log.String(), "s3cret"); got != tt.logged {
					t.Errorf("logged %t, want %t: %s", got, tt.logged, log.String())
				}
				w.leave()
			})
		})
	}
}

// TestFollowSlow: a viewer that reads nothing holds its own source up, and ends it by
// leaving.
func TestFollowSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var emitted atomic.Int32
		ended := make(chan error, 1)
		h := live(t, following(func(_ context.Context, emit func(any) error) error {
			for {
				if err := emit("x"); err != nil {
					ended <- err
					return err
				}
				if emitted.Add(1)%1000 == 0 {
					time.Sleep(100 * time.Millisecond)
				}
			}
		}), nil)
		w := look(t, h, "/show")
		synctest.Wait()
		resume := w.pause()
		time.Sleep(time.Minute)
		if got := emitted.Load(); got > 3000 {
			t.Errorf("%d entries for a viewer that reads nothing", got)
		}
		w.leave()
		resume()
		<-w.done
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestFollowBrokenEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := serve(t, page.Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Views: []page.View{following(func(_ context.Context, emit func(any) error) error { return emit(struct{}{}) })}},
			map[string]string{"show": "", "show.entry": "{{.Data.None}}"})
		w := look(t, h, "/show")
		<-w.done
		wantEvents(t, w, `entry: <div class="entry trouble" role="alert">internal error <a href="show">Follow again</a></div>`, "ended: ")
		wantHas(t, log.String(), "None")
		w.leave()
	})
}
