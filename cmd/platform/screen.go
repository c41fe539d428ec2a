package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/internal/fleet"
	"github.com/micro/platform/internal/printable"
)

// What a terminal is told (ECMA-48, and xterm's alternate screen).
const (
	enter = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, no cursor, no lines that wrap
	leave = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home  = "\x1b[H"
	rest  = "\x1b[K" // clears the rest of the line
	below = "\x1b[J" // clears the lines below
	plain = "\x1b[0m"

	bold, red, green, yellow = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
)

// topFrame draws the table over the one before.
func (a *app) topFrame(cmd *cli.Command, w watched, now time.Time) {
	s := a.newScreen()
	rows := topRows(cmd, w.Services())
	s.add(cell{headline(rows, now), bold, false})
	err := w.Err()
	if err != nil {
		s.add(cell{printable.Lines(strings.ReplaceAll(err.Error(), "\n", "; ")), red, false})
	}
	s.add(cell{})
	switch {
	case len(rows) > 0:
		s.table(rows, now)
	case err == nil:
		s.add(cell{text: w.directory.empty()})
	}
	fmt.Fprint(a.out, s.frame())
}

func headline(rows []topRow, now time.Time) string {
	services, count := map[string]bool{}, map[fleet.State]int{}
	for _, r := range rows {
		services[r.service] = true
		count[r.State]++
	}
	all := []string{now.Format(time.TimeOnly), fmt.Sprintf("services: %d", len(services)), fmt.Sprintf("instances: %d", len(rows))}
	for _, s := range []fleet.State{fleet.Ready, fleet.Waiting, fleet.Away, fleet.Unknown} {
		if count[s] > 0 {
			all = append(all, fmt.Sprintf("%s: %d", s, count[s]))
		}
	}
	return strings.Join(all, "  ")
}

// screen is what is drawn at once.
type screen struct {
	width, height int
	colour        bool
	lines         []string
}

// cell is text of one line and how it looks.
type cell struct {
	text  string
	look  string // an escape sequence, or ""
	right bool   // aligned
}

// newScreen is as large as the terminal, if that can be told.
func (a *app) newScreen() screen {
	s := screen{width: 80, height: 24, colour: a.getenv("NO_COLOR") == ""}
	if a.stdoutSize != nil {
		if width, height := a.stdoutSize(); width > 0 && height > 0 {
			s.width, s.height = width, height
		}
	}
	return s
}

// add puts cells into the next line, as far as they fit.
func (s *screen) add(cells ...cell) {
	var b strings.Builder
	left := s.width
	for _, c := range cells {
		text := []rune(c.text)
		if len(text) > left {
			text = text[:left]
		}
		left -= len(text)
		if s.colour && c.look != "" && len(text) > 0 {
			b.WriteString(c.look + string(text) + plain)
		} else {
			b.WriteString(string(text))
		}
	}
	s.lines = append(s.lines, strings.TrimRight(b.String(), " "))
}

// frame is what a terminal is sent. The last line has no end: it would scroll.
func (s *screen) frame() string {
	if more := len(s.lines) - s.height; more > 0 {
		s.lines = s.lines[:s.height-1]
		s.add(cell{text: fmt.Sprintf("... and %d more", more+1)})
	}
	return home + strings.Join(s.lines, rest+"\r\n") + rest + below
}

// column is one of the table.
type column struct {
	head  string
	right bool
	spare int // the first to be left out of a narrow table; 0: never
	cell  func(r topRow, now time.Time) cell
}

func columns() []column {
	text := func(of func(r topRow) string) func(topRow, time.Time) cell {
		return func(r topRow, _ time.Time) cell { return cell{text: printable.Cell(of(r))} }
	}
	load := func(of func(l fleet.Load) cell) func(topRow, time.Time) cell {
		return func(r topRow, _ time.Time) cell {
			if !r.Load.Known {
				return cell{text: "-"}
			}
			return of(r.Load)
		}
	}
	return []column{
		{head: "SERVICE", cell: text(func(r topRow) string { return r.service })},
		{head: "VERSION", spare: 1, cell: text(func(r topRow) string { return brief(r.Version) })},
		{head: "ADDRESS", spare: 6, cell: text(func(r topRow) string { return r.Address })},
		{head: "STATE", cell: func(r topRow, _ time.Time) cell { return cell{text: r.State.String(), look: look(r.State)} }},
		{head: "SINCE", right: true, spare: 4, cell: func(r topRow, now time.Time) cell { return cell{text: ago(now.Sub(r.Changed))} }},
		{head: "CALLS/S", right: true, cell: load(func(l fleet.Load) cell { return cell{text: rate(l.Calls)} })},
		{head: "ERRORS/S", right: true, cell: load(failing)},
		{head: "IN FLIGHT", right: true, spare: 2, cell: load(func(l fleet.Load) cell { return cell{text: strconv.Itoa(l.InFlight)} })},
		{head: "P50", right: true, spare: 3, cell: load(func(l fleet.Load) cell { return cell{text: took(l.P50)} })},
		{head: "P99", right: true, spare: 5, cell: load(func(l fleet.Load) cell { return cell{text: took(l.P99)} })},
	}
}

// table adds the rows, with what is wrong at their ends. A table that is too wide has
// fewer columns.
func (s *screen) table(rows []topRow, now time.Time) {
	all := columns()
	for spare := 1; spare <= 6 && total(all, rows, now) > s.width; spare++ {
		var kept []column
		for _, c := range all {
			if c.spare != spare {
				kept = append(kept, c)
			}
		}
		all = kept
	}
	wide := widths(all, rows, now)
	line := func(of func(column) cell, end string) {
		var cells []cell
		for i, c := range all {
			x := of(c)
			cells = append(cells, pad(x, wide[i], c.right)...)
		}
		s.add(append(cells, cell{text: end})...)
	}
	line(func(c column) cell { return cell{text: c.head, look: bold} }, "")
	for _, r := range rows {
		why := ""
		if r.Why != "" {
			why = printable.Cell(r.Why)
		}
		line(func(c column) cell { return c.cell(r, now) }, why)
	}
}

// pad makes c as wide as its column, and two spaces to the next.
func pad(c cell, width int, right bool) []cell {
	space := cell{text: strings.Repeat(" ", width-utf8.RuneCountInString(c.text))}
	gap := cell{text: "  "}
	if right {
		return []cell{space, c, gap}
	}
	return []cell{c, space, gap}
}

func widths(all []column, rows []topRow, now time.Time) []int {
	wide := make([]int, len(all))
	for i, c := range all {
		wide[i] = utf8.RuneCountInString(c.head)
		for _, r := range rows {
			wide[i] = max(wide[i], utf8.RuneCountInString(c.cell(r, now).text))
		}
	}
	return wide
}

func total(all []column, rows []topRow, now time.Time) int {
	sum := 2 * (len(all) - 1)
	for _, w := range widths(all, rows, now) {
		sum += w
	}
	return sum
}

func look(s fleet.State) string {
	switch s {
	case fleet.Ready:
		return green
	case fleet.Waiting:
		return yellow
	case fleet.Away:
		return red
	default:
		return ""
	}
}

func failing(l fleet.Load) cell {
	c := cell{text: rate(l.Errors)}
	if l.Errors > 0 {
		c.look = red
	}
	return c
}

// brief is a version, but for the end of a long one.
func brief(version string) string {
	const most = 16
	if r := []rune(version); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return version
}

// rate is a number per second: with a digit more where it is small.
func rate(n float64) string {
	if n > 0 && n < 9.95 {
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

// took is a duration of two or three digits.
func took(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

// ago is a duration in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
