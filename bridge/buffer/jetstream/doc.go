// Package jetstream is the buffer that several instances share: everything is in one stream of NATS JetStream.
//
// # One stream, one order
//
// Records, keys, checkpoints, positions and leases are messages of one stream, each on a subject of its own of which
// the newest message counts (names.go). So one commit can hold all that belongs together: an atomic batch of JetStream
// (ADR-50, nats-server 2.12) stores all of its messages or none, one directly behind the other, and refuses when any
// subject was written since it was read. What Append returned for is a batch that a majority of the servers has.
//
// # Who may write
//
// There are no locks, only that check. A source's checkpoint and a lane's position hold who they belong to and an
// epoch; an instance that was paused while another took over finds the message replaced, and its write, with all else
// in the batch, is refused. The same check makes publishing idempotent for ever, without a window of message ids: a
// record's key is in its batch, and a batch whose keys have moved is decided anew.
//
// A commit that was not answered may have happened. A block of records has a subject of its own for each try, so who
// asks for it learns what became of the try.
//
// # The log
//
// Records are stored in blocks (block.go): some of a batch in one message, compressed; large ones go into several. Each
// instance follows the blocks' headers and the states, with two ordered consumers, and so knows what is pending where
// without reading a record (index.go, state.go). Blocks are read when their records are taken, from any server.
//
// A record's number is the sequence number of its block and its place in it.
//
// # Sources and lanes
//
// The records of a destination are in 8 lanes, by their keys. A lane is delivered by one instance, and so the order
// within a key is kept; its position is the highest number settled and the holes below (cursor.go). Instances tell each
// other that they are there every two seconds, and share sources and lanes evenly, moving as few as possible
// (assign.go, lead.go). Who shall give up a lane first delivers what it has taken: handing over repeats nothing.
//
// Who misses five beats is taken for dead. The beats are counted, by each instance, in its own, as it hears them with all
// others: no clocks are compared, and while the cluster is away, or what an instance follows, nobody dies.
//
// # When the servers lose writes
//
// A stream that was set back is an earlier state of everything, so it contradicts itself nowhere; only what an instance
// knows may be wrong. Each finds that out with its beats (lost.go), and ends.
//
// # Space
//
// The limits mean what they mean on disk: MaxSize counts the records as they were pulled. The stream itself has no
// limit; delivered records are removed by who needs their room, or after Retain, by a message that says up to where
// (siembridge.s.h) and a purge.
package jetstream
