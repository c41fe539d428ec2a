package main

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// unwrap makes Markdown of a comment: a line for each paragraph and for each item of a
// list, with an empty line around paragraphs and lists.
func unwrap(comment string) string {
	var b strings.Builder
	open, item, edge := false, false, 0 // the last line may go on; it is of a list; where that begins
	for line := range strings.Lines(comment) {
		text := strings.TrimSpace(line)
		indent := strings.Index(line, text)
		rest, listed := strings.CutPrefix(text, "- ")
		switch {
		case text == "":
			open = false
			continue
		case open && !listed && (!item || indent > edge):
			b.WriteString(" " + text)
			continue
		case listed && item:
			b.WriteString("\n- " + rest)
		case b.Len() > 0:
			b.WriteString("\n\n" + text)
		default:
			b.WriteString(text)
		}
		open, item, edge = true, listed, indent
	}
	return b.String()
}

// summary cuts the first sentence off.
func summary(text string) (first, rest string) {
	paragraph, others, _ := strings.Cut(text, "\n\n")
	first, rest, found := strings.Cut(paragraph, ". ")
	if !found {
		return paragraph, others
	}
	return first + ".", strings.TrimSpace(rest + "\n\n" + others)
}

var snake = regexp.MustCompile(`\b[a-z][a-z0-9]*(_[a-z0-9]+)+\b`)

// jsonNames puts the names that fields have in JSON for those of the proto file.
func jsonNames(fd protoreflect.FileDescriptor, text string) string {
	names := map[string]string{}
	eachMessage(fd.Messages(), func(m protoreflect.MessageDescriptor) {
		for i := range m.Fields().Len() {
			names[string(m.Fields().Get(i).Name())] = m.Fields().Get(i).JSONName()
		}
	})
	return snake.ReplaceAllStringFunc(text, func(word string) string {
		if name, ok := names[word]; ok {
			return name
		}
		return word
	})
}

// eachMessage calls f for the messages and those inside of them.
func eachMessage(all protoreflect.MessageDescriptors, f func(protoreflect.MessageDescriptor)) {
	for i := range all.Len() {
		f(all.Get(i))
		eachMessage(all.Get(i).Messages(), f)
	}
}
