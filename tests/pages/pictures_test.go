package pages_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/micro/platform/internal/console"
	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
	"github.com/micro/platform/tests/echo"
)

// TestPictures takes the pictures of docs/: make pictures.
func TestPictures(t *testing.T) {
	if os.Getenv("PICTURES") == "" {
		t.Skip("takes the pictures of docs/: make pictures")
	}
	b := browser(t)
	greeter := echo.Service(&echo.Handler{})
	greeter.Name = "greeter"
	p := hosttest.Run(t, map[string]string{"KV_STORES": "config=disk:"}, kvserver.Service(), greeter, console.Service())
	base := "http://" + p.Address("console")
	found(t, base, 3)
	stop := traffic(t, p)
	defer stop()
	l := wide()
	l.height = 560
	for _, one := range []struct {
		name, path string
		look       look
		wait       time.Duration
	}{
		{"services", "", l, 12 * time.Second},
		{"service", "service?name=kv-srv", look{width: 1280, height: 640, script: true, dark: true}, 20 * time.Second},
		{"kv", "kv/", l, time.Second},
		{"item", "kv/item?namespace=config&key=billing%2Flimits", l, time.Second},
		{"watch", "kv/watch?namespace=sessions", l, 4 * time.Second},
		{"phone", "kv/hot", look{width: 390, height: 560, script: true}, 2 * time.Second},
	} {
		tb := b.open(t, one.look, base+"/"+one.path)
		tb.do(chromedp.Sleep(one.wait))
		tb.picture(one.name)
		tb.close()
	}
}

// traffic is that of a small shop.
func traffic(t *testing.T, p *hosttest.Platform) (stop func()) {
	t.Helper()
	config := kvclient.New(p.Client, kvclient.WithNamespace("config"))
	put(t, config, "billing/limits", `{"currency":"EUR","daily":{"soft":1000,"hard":2500},"notify":["ops@example.com"]}`, kvclient.Metadata{"owner": "billing"})
	for _, key := range []string{"billing/template", "checkout/timeout", "search/weights", "feature/dark-mode"} {
		put(t, config, key, "on")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			sessions := kvclient.New(p.Client, kvclient.WithNamespace("sessions"))
			for ctx.Err() == nil {
				key := fmt.Sprintf("session/%04x", int(rand.ExpFloat64()*40))
				switch rand.IntN(10) {
				case 0:
					_, _ = sessions.Put(ctx, key, fmt.Appendf(nil, `{"user":%d,"cart":[]}`, rand.IntN(1000)), kvclient.TTL(time.Hour))
				case 1:
					_, _ = config.Get(ctx, "feature/dark-mode")
				default:
					_, _ = sessions.Get(ctx, key) // mostly there
				}
				pause(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
