package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
)

// signatures remembers, of the last thousand or so, which certificates bear the signature of which signer. One that is issued
// here is looked at three times within moments, when it is signed, when it is judged and when the watch brings it back, and
// checking signatures is most of what that costs. Whether a signature is right depends on the two certificates and nothing
// else, so there is nothing to go stale. Safe for concurrent use; the zero value remembers nothing.
type signatures struct {
	mu sync.Mutex
	// slots hold hashes of certificate and signer, each at the place that its first bytes name.
	slots [1024][sha256.Size]byte
}

// checked is shared by all who judge.
var checked signatures

// check is cert.CheckSignatureFrom(signer).
func (s *signatures) check(cert, signer *x509.Certificate) error {
	slot, hash := s.slotOf(cert, signer)
	s.mu.Lock()
	known := *slot == hash
	s.mu.Unlock()
	if known {
		return nil
	}
	if err := cert.CheckSignatureFrom(signer); err != nil {
		return err
	}
	s.remember(cert, signer)
	return nil
}

// remember is for who has checked the signature itself.
func (s *signatures) remember(cert, signer *x509.Certificate) {
	slot, hash := s.slotOf(cert, signer)
	s.mu.Lock()
	defer s.mu.Unlock()
	*slot = hash
}

func (s *signatures) slotOf(cert, signer *x509.Certificate) (*[sha256.Size]byte, [sha256.Size]byte) {
	data := make([]byte, 0, 8+len(cert.Raw)+len(signer.Raw))
	data = binary.BigEndian.AppendUint64(data, uint64(len(cert.Raw)))
	data = append(append(data, cert.Raw...), signer.Raw...)
	hash := sha256.Sum256(data)
	return &s.slots[binary.BigEndian.Uint32(hash[:])%uint32(len(s.slots))], hash
}
