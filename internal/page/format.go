package page

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bytes is a size for people: 1.5 MiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, prefix := float64(n)/unit, 0
	for f >= 999.5 && prefix < 4 {
		f /= unit
		prefix++
	}
	return digits(f) + " " + "KMGTP"[prefix:prefix+1] + "iB"
}

// Count is a number for people: 12 345, with thin spaces.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Rate is a number per second: 0, 0.4, 12, 1.2k.
func Rate(f float64) string {
	switch {
	case f == 0 || math.IsNaN(f):
		return "0"
	case f < 0.01:
		return "<0.01"
	case f >= 999.5e3:
		return digits(f/1e6) + "M"
	case f >= 999.5:
		return digits(f/1e3) + "k"
	}
	return digits(f)
}

// Percent is a part of 1 for people: 33.3 %.
func Percent(part float64) string { return digits(100*part) + " %" }

// digits has about three of them.
func digits(f float64) string {
	places := 0
	switch {
	case f < 0.995:
		places = 2
	case f < 99.95:
		places = 1
	}
	s := strconv.FormatFloat(f, 'f', places, 64)
	if places > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Took is a duration for people: 120 µs, 1.5 ms, 2.1 s.
func Took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < 999_500*time.Nanosecond:
		return digits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < 999_500*time.Microsecond:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return Span(d)
}

// Span is a duration in its two largest units: 2 d 4 h, 12 min, 3.1 s.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 59_500*time.Millisecond:
		return digits(d.Seconds()) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min", max(time.Minute, d)/time.Minute)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
}

// Time shows a moment, to the second, in UTC; of the zero time it shows a dash.
func Time(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339Nano) + `">` + t.Format("2006-01-02 15:04:05") + ` UTC</time>`) //nolint:gosec // of digits
}

// moment is Time of a message's field.
func moment(t *timestamppb.Timestamp) template.HTML {
	if t == nil {
		return Time(time.Time{})
	}
	return Time(t.AsTime())
}

// clock shows the time of day of a moment that has just been, in UTC.
func clock(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339Nano) + `">` + t.Format("15:04:05.000") + `</time>`) //nolint:gosec // of digits
}
