package page_test

import (
	"math"
	"testing"
	"time"

	"github.com/micro/platform/internal/page"
)

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{page.Bytes(0), "0 B"},
		{page.Bytes(1023), "1023 B"},
		{page.Bytes(1024), "1 KiB"},
		{page.Bytes(1536), "1.5 KiB"},
		{page.Bytes(1023 << 10), "1 MiB"},
		{page.Bytes(1 << 20), "1 MiB"},
		{page.Bytes(123 << 20), "123 MiB"},
		{page.Bytes(1 << 40), "1 TiB"},
		{page.Bytes(math.MaxInt64), "8192 PiB"},

		{page.Count(0), "0"},
		{page.Count(999), "999"},
		{page.Count(1000), "1\u202f000"},
		{page.Count(-123), "-123"},
		{page.Count(-123456), "-123\u202f456"},
		{page.Count(math.MinInt64), "-9\u202f223\u202f372\u202f036\u202f854\u202f775\u202f808"},

		{page.Rate(0), "0"},
		{page.Rate(math.NaN()), "0"},
		{page.Rate(0.001), "<0.01"},
		{page.Rate(0.4), "0.4"},
		{page.Rate(0.999), "1"},
		{page.Rate(12.34), "12.3"},
		{page.Rate(99.96), "100"},
		{page.Rate(999.4), "999"},
		{page.Rate(999.5), "1k"},
		{page.Rate(1234), "1.2k"},
		{page.Rate(999499), "999k"},
		{page.Rate(999999), "1M"},
		{page.Rate(2.5e6), "2.5M"},

		{page.Percent(0), "0 %"},
		{page.Percent(0.0004), "0.04 %"},
		{page.Percent(1.0 / 3), "33.3 %"},
		{page.Percent(1), "100 %"},

		{page.Took(0), "0"},
		{page.Took(-time.Second), "0"},
		{page.Took(120 * time.Microsecond), "120 µs"},
		{page.Took(300 * time.Nanosecond), "0.3 µs"},
		{page.Took(time.Millisecond - 1), "1 ms"},
		{page.Took(1500 * time.Microsecond), "1.5 ms"},
		{page.Took(time.Second - 1), "1 s"},
		{page.Took(2100 * time.Millisecond), "2.1 s"},

		{page.Span(0), "0 s"},
		{page.Span(3100 * time.Millisecond), "3.1 s"},
		{page.Span(59 * time.Second), "59 s"},
		{page.Span(time.Minute - 1), "1 min"},
		{page.Span(12*time.Minute + 59*time.Second), "12 min"},
		{page.Span(time.Hour), "1 h 0 min"},
		{page.Span(52 * time.Hour), "2 d 4 h"},

		{string(page.Time(time.Time{})), "–"},
		{
			string(page.Time(time.Date(2026, 1, 2, 5, 4, 5, 600, time.FixedZone("", 3600)))),
			`<time datetime="2026-01-02T04:04:05.0000006Z">2026-01-02 04:04:05 UTC</time>`,
		},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
