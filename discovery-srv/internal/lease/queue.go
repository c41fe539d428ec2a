package lease

import "container/heap"

var _ heap.Interface = (*queue)(nil)

// queue is leases by when they are due, as container/heap has it.
type queue []*lease

func (q *queue) Len() int           { return len(*q) }
func (q *queue) Less(i, j int) bool { return (*q)[i].due < (*q)[j].due }

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) {
	all := *q
	all[i], all[j] = all[j], all[i]
	all[i].at, all[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	l, _ := x.(*lease)
	l.at = len(*q)
	*q = append(*q, l)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	l := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return l
}
