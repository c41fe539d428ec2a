package memory

import (
	"encoding/binary"

	"github.com/micro/platform/kv-srv/internal/store/request"
)

// maxFew bounds the answers that are searched one by one.
const maxFew = 64

// answers are those to the requests of one slot in one generation. The zero value has none.
type answers struct {
	digest uint64                      // sum over all
	few    []answered                  // all, up to maxFew
	many   map[[16]byte]request.Answer // all, once there were more
}

type answered struct {
	sum    [16]byte
	answer request.Answer
}

// digest is the same on all nodes that gave the same answer.
func (a *answered) digest() uint64 {
	return mix(binary.LittleEndian.Uint64(a.sum[:]) ^ mix(a.answer.Version^mix(uint64(a.answer.Sum)))) //nolint:gosec // its bits
}

func (a *answers) len() int { return len(a.few) + len(a.many) }

func (a *answers) find(sum [16]byte) (request.Answer, bool) {
	for i := range a.few {
		if a.few[i].sum == sum {
			return a.few[i].answer, true
		}
	}
	answer, ok := a.many[sum]
	return answer, ok
}

// add adds the answer to a request of which there is none.
func (a *answers) add(sum [16]byte, answer request.Answer) {
	added := answered{sum, answer}
	a.digest += added.digest()
	if a.many == nil && len(a.few) < maxFew {
		a.few = append(a.few, added)
		return
	}
	if a.many == nil {
		a.many = make(map[[16]byte]request.Answer, maxFew+1)
		for _, f := range a.few {
			a.many[f.sum] = f.answer
		}
		a.few = nil
	}
	a.many[sum] = answer
}

// remove tells whether there was one.
func (a *answers) remove(sum [16]byte) bool {
	answer, ok := a.find(sum)
	if !ok {
		return false
	}
	removed := answered{sum, answer}
	a.digest -= removed.digest()
	delete(a.many, sum)
	for i := range a.few {
		if a.few[i].sum == sum {
			a.few[i] = a.few[len(a.few)-1]
			a.few = a.few[:len(a.few)-1]
			break
		}
	}
	return true
}

func (a *answers) each(yield func(sum [16]byte, answer request.Answer)) {
	for i := range a.few {
		yield(a.few[i].sum, a.few[i].answer)
	}
	for sum, answer := range a.many {
		yield(sum, answer)
	}
}
