package nats

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"go-micro.dev/v5/registry"

	"github.com/micro/platform/internal/registries/record"
)

// Watch implements registry.Registry. What is announced after it has returned is told;
// who ends without a word is not.
func (r *Registry) Watch(opts ...registry.WatchOption) (registry.Watcher, error) {
	var o registry.WatchOptions
	for _, opt := range opts {
		opt(&o)
	}
	conn, err := r.connection()
	if err != nil {
		return nil, err
	}
	heard, err := conn.SubscribeSync(announcements)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", r.where, err)
	}
	if err := conn.FlushTimeout(patience); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", r.where, err), heard.Unsubscribe())
	}
	w := record.NewWatcher(r.ctx)
	w.Go(func() error {
		defer func() { _ = heard.Unsubscribe() }() // fails with the connection
		for {
			m, err := heard.NextMsgWithContext(w.Context)
			switch {
			case errors.Is(err, nats.ErrSlowConsumer): // some were lost
				continue
			case err != nil:
				return fmt.Errorf("%s: %w", r.where, err)
			}
			var result *registry.Result
			if json.Unmarshal(m.Data, &result) != nil || result == nil || result.Service == nil ||
				o.Service != "" && result.Service.Name != o.Service {
				continue
			}
			if err := w.Tell(result); err != nil {
				return err
			}
		}
	})
	return w, nil
}
