package memory

// What the store counts besides the bytes of keys, values and metadata: the memory
// that the runtime takes for one of each, measured by TestCostsAreHonest on amd64 with
// the fullest and the emptiest maps and trees that growing leaves behind.
const (
	itemCost    = 256 // entry, record, slots in table, tree and heap, rounding to size classes
	mapCost     = 384 // metadata, for the map itself
	pairCost    = 80  // metadata, for each key
	requestCost = 80  // a remembered request ID
	spaceCost   = 512 // a namespace
	changeCost  = 176 // a change in a history, with the record that it keeps
)

func (r *record) cost() int64 {
	n := len(r.value)
	if len(r.metadata) > 0 {
		n += mapCost
	}
	for k, v := range r.metadata {
		n += pairCost + len(k) + len(v)
	}
	return int64(n)
}

func costOfItem(key string, r *record) int64 {
	return itemCost + int64(len(key)) + r.cost()
}

func costOfSpace(name string) int64 { return spaceCost + int64(len(name)) }

func costOfChange(c change) int64 {
	n := changeCost + int64(len(c.key))
	if c.rec != nil {
		n += c.rec.cost()
	}
	return n
}
