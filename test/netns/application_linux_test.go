package netns

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// Ports of the application.
const (
	appHTTP  = 8080 // HTTP/1.1, HTTP/2 without TLS, and an upgrade at /upgrade
	appGRPC  = 8090 // a server of gRPC
	appEcho  = 9000 // says again what it is told
	appGreet = 9001 // speaks first
	appTell  = 9002 // tells a line what it saw
	appSink  = 9003 // takes all there is, and says how much it was
	appPour  = 9004 // sends for as long as somebody takes it
	appMail  = 9025 // the same, declared smtp
	appTLS   = 9443 // HTTP over TLS of its own
)

// seen is what the application says it got.
type seen struct {
	Proto, Method, Path, Host, Remote string
	XFCC                              []string
	Header                            http.Header
	Body                              int64
	// Layers of TLS that the application took off.
	Layers int
}

// Headers by which the application tells where the body is somebody else's.
const (
	headerLayers = "X-Layers"
	headerXFCC   = "X-Saw-Client-Cert"
)

// appName is whom the application's own certificate names.
const appName = "application.test"

// greeting is what a server says that speaks first.
const greeting = "220 ready\r\n"

// runApplication serves until it is killed, or, asked to end, until its requests are answered.
func runApplication() {
	mux := http.NewServeMux()
	mux.HandleFunc("/upgrade", upgrade)
	mux.HandleFunc("/who", who)
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/counts", tellCounts)
	mux.HandleFunc("/", tell)
	healthy := grpc.NewServer()
	healthpb.RegisterHealthServer(healthy, health.NewServer())
	mux.HandleFunc("/grpc.health.v1.Health/", func(w http.ResponseWriter, r *http.Request) {
		tellInHeader(w.Header(), r)
		healthy.ServeHTTP(w, r)
	})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: &protocols, ReadHeaderTimeout: time.Minute, ConnContext: withConn}
	for _, port := range []int{appHTTP, appTLS} {
		l := layeredListener{mustListen(port)}
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		}()
	}
	go serveCalls(mustListen(appGRPC))
	go accept(layeredListener{mustListen(appTell)}, tellLine)
	go accept(mustListen(appEcho), func(c net.Conn) { _, _ = io.Copy(c, c) })
	for _, port := range []int{appGreet, appMail} {
		go accept(mustListen(port), func(c net.Conn) {
			_, _ = io.WriteString(c, greeting)
			_, _ = io.Copy(c, c)
		})
	}
	go accept(mustListen(appSink), sink)
	go accept(mustListen(appPour), pour)
	fmt.Println("serving")
	asked, done := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer done()
	<-asked.Done()
	if err := server.Shutdown(context.Background()); err != nil { // when it has answered all that it was asked
		log.Fatal(err)
	}
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
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		counted.BrokenUploads.Add(1)
	}
	s := seen{
		Proto: r.Proto, Method: r.Method, Path: r.RequestURI, Host: r.Host, Remote: r.RemoteAddr,
		XFCC: r.Header.Values("X-Forwarded-Client-Cert"), Header: r.Header, Body: n,
		Layers: layersOf(r),
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// tellInHeader tells of a request whose answer has a body of its own.
func tellInHeader(h http.Header, r *http.Request) {
	h.Set(headerLayers, strconv.Itoa(layersOf(r)))
	h[headerXFCC] = r.Header.Values("X-Forwarded-Client-Cert")
}

// tellLine tells of a connection once it has said something.
func tellLine(conn net.Conn) {
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return
	}
	_ = json.NewEncoder(conn).Encode(seen{Remote: conn.RemoteAddr().String(), Layers: conn.(*layered).layers})
}

// who says in plain words what it sees.
func who(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	for _, xfcc := range r.Header.Values("X-Forwarded-Client-Cert") {
		fmt.Fprintf(w, "X-Forwarded-Client-Cert: %s\n", xfcc)
	}
}

// upgrade switches to a protocol that says everything again, as a WebSocket server switches.
func upgrade(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer conn.Close()
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": r.Header["Upgrade"]}
	tellInHeader(header, r)
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	_, _ = io.Copy(conn, buffered)
}

// ownTLS is the application's own: the certificate that the test gave it, else one that nobody else knows.
var ownTLS = sync.OnceValue(func() *tls.Config {
	cert, err := tls.X509KeyPair([]byte(os.Getenv(envCertificate)), []byte(os.Getenv(envKey)))
	if os.Getenv(envCertificate) == "" {
		var files map[string][]byte
		if files, err = ownCertificate(); err == nil {
			cert, err = tls.X509KeyPair(files[naming.FileCert], files[naming.FileKey])
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
})

// ownCertificate is one that a CA of its own signed, as files.
func ownCertificate() (map[string][]byte, error) {
	now := time.Now()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "application", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, now)
	if err != nil {
		return nil, err
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		return nil, err
	}
	cert, err := ca.SignServing(pki.ServingRequest{DNSNames: []string{appName}, PublicKey: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		return nil, err
	}
	keyPEM, err := pki.EncodeKey(key)
	return map[string][]byte{
		naming.FileCert: pki.EncodeCertificates(cert), naming.FileKey: keyPEM, naming.FileCA: pki.EncodeCertificates(ca.Roots...),
	}, err
}

// firstLine reads what a server says first.
func firstLine(conn net.Conn) (string, error) {
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return bufio.NewReader(conn).ReadString('\n')
}

// Environment of the application: its certificate, if it is not to make one.
const (
	envCertificate = "WARIFU_NETNS_CERTIFICATE"
	envKey         = "WARIFU_NETNS_KEY"
)

// applicationEnv makes a copy of this program the application.
func applicationEnv(more ...string) []string {
	env := append([]string{envApplication + "=1"}, more...)
	for _, kept := range os.Environ() {
		if strings.HasPrefix(kept, "PATH=") || strings.HasPrefix(kept, "HOME=") {
			env = append(env, kept)
		}
	}
	return env
}
