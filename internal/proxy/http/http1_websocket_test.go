package http

import (
	"context"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// TestWebSocket has a real client and a real server agree on WebSocket through a session.
func TestWebSocket(t *testing.T) {
	app := httptest.NewServer(websocket.Handler(echoMessages))
	defer app.Close()
	r := newRig(t, func(_ *rig, o *Options, _ *Connection) {
		o.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", app.Listener.Addr().String())
		}
	})
	config, err := websocket.NewConfig("ws://shop.example/chat", "http://shop.example/")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.client.SetDeadline(time.Now().Add(patience))
	ws, err := websocket.NewClient(config, r.client)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"hello", string(make([]byte, 100_000)), "bye"} {
		go func() { _ = websocket.Message.Send(ws, message) }()
		var got string
		if err := websocket.Message.Receive(ws, &got); err != nil || got != message {
			t.Fatalf("%d bytes came back (%v), want %d", len(got), err, len(message))
		}
	}
	r.change(denyPath("/chat"))
	if err := websocket.Message.Receive(ws, new(string)); err == nil {
		t.Error("the WebSocket outlives its permission")
	}
}

func echoMessages(ws *websocket.Conn) {
	for {
		var message string
		if websocket.Message.Receive(ws, &message) != nil || websocket.Message.Send(ws, message) != nil {
			return
		}
	}
}
