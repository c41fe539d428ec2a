package memory

// allow returns by how much a record adds to what its namespace holds, or an error if
// the quota has no room for that. What has expired goes first.
func (s *Store) allow(at place, rec *record) (added int64, err error) {
	added = rec.size(at.key)
	if at.entry != nil {
		added -= at.entry.rec.Load().size(at.key)
	}
	for err = s.checkQuota(at, added); err != nil && s.expireNext(at.now); {
		err = s.checkQuota(at, added)
	}
	return added, err
}

func (s *Store) checkQuota(at place, added int64) error {
	var keys, bytes, addedKeys int64
	if sp := s.spaces[at.namespace]; sp != nil {
		keys, bytes = int64(sp.keys.Len()), sp.bytes
	}
	if at.entry == nil {
		addedKeys = 1
	}
	return s.opts.Quotas.Check(at.namespace, keys+addedKeys, addedKeys, bytes+added, added)
}
