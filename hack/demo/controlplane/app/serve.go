package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const patience = 5 * time.Second

// tlsRecord is the first byte of a ClientHello.
const tlsRecord = 0x16

// serve greets whoever connects, by name where the mode asks for one.
func serve() error {
	source, err := material()
	if err != nil {
		return err
	}
	me, err := identity.Parse(os.Getenv(naming.EnvIdentity))
	if err != nil {
		return err
	}
	config := mtls.ServerConfig(source, mtls.Verifier{Accept: mtls.Member(me.TrustDomain())})
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			peer, err := greet(conn, config, me)
			if err != nil {
				fmt.Println("refused:", err)
				return
			}
			fmt.Println("accepted:", peer)
		}()
	}
}

// greet answers one connection and returns who it came from.
func greet(conn net.Conn, config *tls.Config, me identity.ID) (peer string, err error) {
	buffered := bufio.NewReader(conn)
	first, err := buffered.Peek(1)
	if err != nil {
		return "", err
	}
	enforced := proxyconfig.Mode(mode(naming.FileMTLSMode, naming.EnvMTLSMode))
	secure := first[0] == tlsRecord
	switch {
	case secure && enforced != proxyconfig.Disable:
		session := tls.Server(replay{conn, buffered}, config)
		if err := session.Handshake(); err != nil {
			return "", err
		}
		id, err := mtls.PeerID(session.ConnectionState())
		if err != nil {
			return "", err
		}
		_, err = fmt.Fprintf(session, "hello %s, this is %s\n", id, me)
		return id.String(), errors.Join(err, session.Close())
	case !secure && (enforced == proxyconfig.Permissive || enforced == proxyconfig.Disable):
		_, err = io.WriteString(conn, "hello, whoever you are\n")
		return "someone in plaintext", err
	}
	if secure {
		return "", fmt.Errorf("TLS in mode %s", enforced)
	}
	return "", fmt.Errorf("plaintext in mode %s", enforced)
}

// replay is a connection whose first bytes were looked at.
type replay struct {
	net.Conn
	buffered *bufio.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.buffered.Read(p) }
