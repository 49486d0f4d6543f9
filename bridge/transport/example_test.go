package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/siembridge/siembridge/bridge/transport"
)

// A receiver that reads everything before it closes ends the connection with FIN: that is its confirmation.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	received := make(chan string, 1)
	go func() { // the receiver
		c, err := l.Accept()
		if err != nil {
			return
		}
		text, _ := io.ReadAll(c) // until the sender's half-close
		c.Close()
		received <- string(text)
	}()

	dialer, err := transport.NewDialer(transport.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := dialer.Dial(context.Background(), l.Addr().String(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte("an event\n")); err != nil {
		fmt.Println(err)
		return
	}
	_ = c.HalfClose() // where the connection is over, its end tells
	end := <-c.Ended()
	fmt.Println(end.Kind == transport.EndFIN, end.Err)
	fmt.Print(<-received)
	// Output:
	// true <nil>
	// an event
}
