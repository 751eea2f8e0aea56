package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/pki"
)

// callAnonymously does TLS without showing a certificate.
func callAnonymously(ctx context.Context, address string) error {
	return callTLS(ctx, address, &tls.Config{})
}

// callAsImpostor shows a certificate that says the right name and was signed by another CA.
func callAsImpostor(ctx context.Context, address string, id identity.ID) error {
	now := time.Now()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "another CA", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, now)
	if err != nil {
		return err
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		return err
	}
	certificate, err := ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		return err
	}
	return callTLS(ctx, address, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}}})
}

func callTLS(ctx context.Context, address string, config *tls.Config) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	config.InsecureSkipVerify = true // a stranger does not care who the server is
	return listen(tls.Client(conn, config))
}

// callInPlaintext says something without TLS.
func callInPlaintext(ctx context.Context, address string) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello?\n"); err != nil {
		return err
	}
	return listen(conn)
}

// listen is an error when the server says nothing.
func listen(conn net.Conn) error {
	answer, err := io.ReadAll(conn)
	if err == nil && len(answer) == 0 {
		return errors.New("the server hung up")
	}
	return err
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(5 * time.Second))
}
