package resp

import (
	"bytes"
	"strings"

	kvpb "github.com/micro/platform/proto/micro/kv/v1"
)

// batch is what calls with many keys are made with, again and again: the handler fills the
// results that a response has.
type batch struct {
	get    kvpb.BatchGetRequest
	got    kvpb.BatchGetResponse
	put    kvpb.BatchPutRequest
	stored kvpb.BatchPutResponse
	writes [maxTogether]kvpb.BatchPutRequest_Write
}

func (s *Server) batch() *batch {
	if b, ok := s.batches.Get().(*batch); ok {
		return b
	}
	return &batch{}
}

// again takes a batch whose response nobody reads any more.
func (s *Server) again(b *batch) {
	b.forget()
	s.batches.Put(b)
}

// reading asks for the keys of some GETs.
func (b *batch) reading(namespace string, args [][]byte) *kvpb.BatchGetRequest {
	b.get.Namespace, b.get.Keys = namespace, b.get.GetKeys()[:0]
	size := 0
	for i := 1; i < len(args); i += 2 {
		size += len(args[i])
	}
	var keys strings.Builder // of all: one allocation
	keys.Grow(size)
	for i := 1; i < len(args); i += 2 {
		keys.Write(args[i])
		b.get.Keys = append(b.get.GetKeys(), keys.String()[keys.Len()-len(args[i]):])
	}
	return &b.get
}

// writing asks to write what some SETs say.
func (b *batch) writing(namespace string, args [][]byte) *kvpb.BatchPutRequest {
	b.put.Namespace, b.put.Writes = namespace, b.put.GetWrites()[:0]
	for i := range len(args) / 3 {
		w := &b.writes[i]
		w.Key, w.Value = string(args[3*i+1]), bytes.Clone(args[3*i+2]) // the store's from now on
		b.put.Writes = append(b.put.GetWrites(), w)
	}
	return &b.put
}

// forget lets go of all keys and values, which may be large.
func (b *batch) forget() {
	clear(b.get.GetKeys())
	for _, w := range b.put.GetWrites() {
		w.Key, w.Value = "", nil
	}
	for _, r := range b.got.GetResults() {
		if i := r.GetItem(); i != nil {
			i.Key, i.Value, i.Metadata = "", nil, nil
		}
	}
	b.get.Keys, b.put.Writes = b.get.GetKeys()[:0], b.put.GetWrites()[:0]
	b.got.Results, b.stored.Results = b.got.GetResults()[:0], b.stored.GetResults()[:0]
}
