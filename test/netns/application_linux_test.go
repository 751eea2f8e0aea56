package netns

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/warifu/warifu/internal/pki"
)

// Ports of the application.
const (
	appHTTP  = 8080 // HTTP/1.1, HTTP/2 without TLS, and an upgrade at /upgrade
	appEcho  = 9000 // says again what it is told
	appGreet = 9001 // speaks first
	appMail  = 9025 // the same, declared smtp
	appTLS   = 9443 // HTTP over TLS of its own
)

// seen is what the application says it got.
type seen struct {
	Proto, Method, Path, Host, Remote string
	XFCC                              []string
	Header                            http.Header
	Body                              int64
}

// greeting is what a server says that speaks first.
const greeting = "220 ready\r\n"

// runApplication serves until it is killed.
func runApplication() {
	mux := http.NewServeMux()
	mux.HandleFunc("/upgrade", upgrade)
	mux.HandleFunc("/", tell)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: &protocols, ReadHeaderTimeout: time.Minute}
	go func() { log.Fatal(server.Serve(mustListen(appHTTP))) }()
	go func() { log.Fatal(server.Serve(tls.NewListener(mustListen(appTLS), ownTLS()))) }()
	go accept(mustListen(appEcho), func(c net.Conn) { _, _ = io.Copy(c, c) })
	for _, port := range []int{appGreet, appMail} {
		go accept(mustListen(port), func(c net.Conn) {
			_, _ = io.WriteString(c, greeting)
			_, _ = io.Copy(c, c)
		})
	}
	fmt.Println("serving")
	select {}
}

func mustListen(port int) net.Listener {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func accept(l net.Listener, handle func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

func tell(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	s := seen{
		Proto: r.Proto, Method: r.Method, Path: r.RequestURI, Host: r.Host, Remote: r.RemoteAddr,
		XFCC: r.Header.Values("X-Forwarded-Client-Cert"), Header: r.Header, Body: n,
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// upgrade switches to a protocol that says everything again, as a WebSocket server switches.
func upgrade(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	_, _ = io.Copy(conn, buffered)
}

// ownTLS is a certificate that nobody else knows.
func ownTLS() *tls.Config {
	now := time.Now()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "application", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, now)
	if err != nil {
		log.Fatal(err)
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := ca.SignServing(pki.ServingRequest{DNSNames: []string{"application.test"}, PublicKey: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// firstLine reads what a server says first.
func firstLine(conn net.Conn) (string, error) {
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return bufio.NewReader(conn).ReadString('\n')
}

// applicationEnv makes a copy of this program the application.
func applicationEnv() []string {
	env := []string{envApplication + "=1"}
	for _, kept := range os.Environ() {
		if strings.HasPrefix(kept, "PATH=") || strings.HasPrefix(kept, "HOME=") {
			env = append(env, kept)
		}
	}
	return env
}
