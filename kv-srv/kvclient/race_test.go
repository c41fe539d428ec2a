package kvclient_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/micro/platform/internal/host/hosttest"
	"github.com/micro/platform/kv-srv/kvclient"
	"github.com/micro/platform/kv-srv/kvserver"
)

func TestRace(t *testing.T) {
	p := hosttest.Run(t, nil, kvserver.Service())
	kv := kvclient.New(p.Client)
	stop := make(chan bool)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := kv.Put(t.Context(), fmt.Sprint("x", i%10), []byte("y")); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20+1)*time.Millisecond)
		n := 0
		for _, err := range kv.Watch(ctx, "") {
			if err != nil {
				if i < 3 {
				t.Log(err)
				}
				break
			}
			n++
		}
		cancel()
	}
	close(stop)
	<-done
}
