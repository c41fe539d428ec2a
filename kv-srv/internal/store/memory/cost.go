package memory

// What the store counts besides the bytes of keys, values and metadata: the heap that
// one of each takes when maps and trees are at their emptiest, measured on amd64. An
// item of 100 bytes under a key of 12 takes 278 to 299. TestCostsAreHonest watches over
// it. Large values may take up to an eighth more, by which the runtime rounds them up.
// Not counted is what depends on Slots alone: 24 bytes for each of them, and 40 more for
// each period of whose requests some are remembered.
const (
	itemCost    = 216 // entry, record, slots in table, tree and heap, rounding to size classes
	mapCost     = 384 // metadata, for the map itself
	pairCost    = 80  // metadata, for each key
	requestCost = 88  // a remembered request ID
	spaceCost   = 352 // a namespace
	changeCost  = 176 // a change in a history, with the record that it keeps
	tombCost    = 208 // a tombstone, with its place in the map
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

func costOfSpace(namespace string) int64 { return spaceCost + int64(len(namespace)) }

func costOfTombstone(n name) int64 {
	return tombCost + int64(len(n.namespace)+len(n.key))
}

func costOfChange(c change) int64 {
	n := changeCost + int64(len(c.key))
	if c.rec != nil {
		n += c.rec.cost()
	}
	return n
}
