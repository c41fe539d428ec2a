package lease

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/micro/platform/discovery-srv/internal/catalog"
)

// Proof is what others know a lease by, who are not to have it. An ID is random enough for no
// one to find it from that.
func Proof(id string) string {
	const enough = 16 // bytes: as many as an ID has
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:enough])
}

// Proves tells whether a proof is that of a lease. "" proves none.
func Proves(proof, id string) bool {
	return proof != "" && subtle.ConstantTimeCompare([]byte(proof), []byte(Proof(id))) == 1
}

// Proof is that of the lease of an instance, or "".
func (t *Table) Proof(who catalog.ID) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if l := t.byName[who]; l != nil {
		return Proof(l.id)
	}
	return ""
}
