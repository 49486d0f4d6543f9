package delivery

import "github.com/siembridge/siembridge/bridge/transport"

// ending is how a connection that is confirmed by close came to its end.
type ending struct {
	end        *transport.End // of the peer's side; nil: the bridge stops before there is one
	halfClosed bool           // we had closed our side before
	acked      int            // bytes of frames that the peer's TCP has acknowledged,
	known      bool           // where the system tells
}

// verdict is what an ending says of the records that the connection carried, and of the tails that wait.
type verdict int

const (
	stopped   verdict = iota // nothing: they are sent again by the next run
	read                     // the receiver's program has read everything
	burst                    // it has, as far as TCP knows, and closed by itself; the next connection has to live
	early                    // it closed before it had read everything, by FIN: how much TCP had acknowledged counts
	cut                      // it ended the connection otherwise: all is sent again
	vanished                 // its machine or the way there is gone: all is sent again, and no record is suspected
	unused                   // it closed an empty connection while nothing waited
	unwelcome                // it ended one, otherwise than by FIN
)

// judge says what an ending means. A FIN that the peer sent before our data reached it says nothing of that data; where
// the system does not tell, the FIN has to do.
func (l *ledger) judge(e ending) verdict {
	if e.end == nil {
		return stopped
	}
	fin := e.end.Kind == transport.EndFIN
	all := e.acked >= l.bytes
	switch {
	case fin && e.halfClosed && (all || !e.known):
		return read
	case len(l.current) == 0 && len(l.held) == 0 && fin:
		return unused
	case len(l.current) == 0 && len(l.held) == 0:
		return unwelcome
	case fin && len(l.held) == 0 && e.known && all && !e.halfClosed:
		return burst
	case fin && len(l.held) == 0 && e.known:
		return early
	case e.end.ByPeer():
		return cut
	}
	return vanished
}
