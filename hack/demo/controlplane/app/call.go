package main

import (
	"context"
	"crypto/tls"
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

// call connects as the client mode says and prints the answer.
func call(address, peer string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))

	switch how := proxyconfig.ClientMode(mode(naming.FileClientTLSMode, naming.EnvClientTLSMode)); how {
	case proxyconfig.ClientIstioMutual:
		return overTLS(conn, peer)
	case proxyconfig.ClientDisable:
		return plain(conn)
	default:
		return fmt.Errorf("%s=%s: this program knows %s and %s",
			naming.EnvClientTLSMode, how, proxyconfig.ClientIstioMutual, proxyconfig.ClientDisable)
	}
}

func overTLS(conn net.Conn, peer string) error {
	expected, err := identity.Parse(peer)
	if err != nil {
		return err
	}
	source, err := material()
	if err != nil {
		return err
	}
	session := tls.Client(conn, mtls.ClientConfig(source, mtls.Verifier{Accept: mtls.OneOf(expected)}))
	answer, err := io.ReadAll(session)
	if err != nil {
		return err
	}
	server, err := mtls.PeerID(session.ConnectionState())
	if err != nil {
		return err
	}
	fmt.Printf("%s with %s\n%s", tls.VersionName(session.ConnectionState().Version), server, answer)
	return nil
}

func plain(conn net.Conn) error {
	if _, err := io.WriteString(conn, "hello?\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if len(answer) == 0 {
		return fmt.Errorf("the server hung up")
	}
	_, err = os.Stdout.Write(answer)
	return err
}
