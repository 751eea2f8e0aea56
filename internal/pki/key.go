package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
)

// KeyAlgorithm is the algorithm of a key; the values are those of the TrustDomain kind.
type KeyAlgorithm string

// The key algorithms.
const (
	ECDSAP256 KeyAlgorithm = "ECDSA_P256"
	ECDSAP384 KeyAlgorithm = "ECDSA_P384"
	Ed25519   KeyAlgorithm = "Ed25519"
)

// NewKey makes a key from the system's randomness.
func NewKey(algorithm KeyAlgorithm) (crypto.Signer, error) {
	switch algorithm {
	case ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("key algorithm %q is none of %s, %s, %s", algorithm, ECDSAP256, ECDSAP384, Ed25519)
}

// AlgorithmOf names the algorithm of a public key; "" for one that NewKey does not make.
func AlgorithmOf(key crypto.PublicKey) KeyAlgorithm {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return ECDSAP256
		case elliptic.P384():
			return ECDSAP384
		}
	case ed25519.PublicKey:
		return Ed25519
	}
	return ""
}

// sameKey compares public keys of any algorithm.
func sameKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}
