// Package delivery brings records from a queue to one receiver and releases them when the receiver's program has read
// them.
//
// A Worker serves one destination. It takes records from its queue, has them rendered (decoded, filtered, encoded and
// framed, see Renderer), sends the frames over a connection and confirms by close: a connection is the unit of
// confirmation. It is filled until confirm_bytes or confirm_interval, or until there is nothing to send; then it is
// half-closed, and how the peer's side ends decides. FIN says that the receiver's program has read everything: its
// records are released, the last 256 KiB of them when the next connection has lived a moment longer. RST, or silence of
// the peer's TCP, says that something was not read: everything of the connection is sent again, the same bytes, before
// anything newer.
//
// The decisions have no socket, clock or goroutine. The ledger (ledger.go, tail.go) knows which records are under way and
// says what is confirmed and what is sent again; verdict.go says what the end of a connection means for it; failover.go
// says which address is connected to next, when, and what for. What they decide stands in scripts in testdata. The rest
// of the package dials, writes, waits and releases as they say.
//
// Run delivers. It starts helpers and waits for them: takers, which take and render ahead, several at once and handing
// on in the order of the queue (take.go), one that stores releases (releaser), and one that asks the other addresses
// once whether they confirm (look). A write, a dial for later use and a probe beside the connection in use have a
// goroutine each, which is waited for where it was started, or ended by stop or drop.
package delivery
