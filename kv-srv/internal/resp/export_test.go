package resp

// Size is how many bytes of memory the reader has for what was sent.
func (r *Reader) Size() int { return cap(r.buf) + cap(r.spans)*16 + cap(r.args)*24 }
