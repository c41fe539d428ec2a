// Package patience bounds how long a backend is waited for.
package patience

import (
	"context"
	"time"
)

// Most is how long one request to a backend may take.
const Most = 5 * time.Second

// Within returns a context for one request. It ends after Most, and before the caller's:
// so the caller hears that the backend is away, and not nothing.
func Within(ctx context.Context) (context.Context, context.CancelFunc) {
	most := Most
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		most = min(most, left-left/10)
	}
	return context.WithTimeout(ctx, most)
}
