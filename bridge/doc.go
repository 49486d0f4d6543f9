// Package bridge wires sources, buffer and destinations into one running program.
//
// # The way of a record
//
//	Microsoft API ──page──▶ source ──split, identify──▶ buffer ──take──▶ delivery ──frames──▶ SIEM
//	  (or a file)                    records + coverage    (disk)           │  decode   formats/defender
//	                                 stored together                        │  filter
//	                                                                        │  encode   formats/leef, formats/cef
//	                                                                        │  frame    bridge/syslog
//	                                                                        │  send     bridge/transport
//	                                 ◀────────────── release ───────────────┘  confirmed by the peer's close
//
// One goroutine pulls for each source, one delivers for each destination, one serves the status page; bridge starts
// and ends them all. They meet in the buffer only: a source never waits for a destination until the buffer is full,
// and no destination waits for another.
//
// # Failure at each stage
//
// A page cannot be read, or is read half: the source's coverage has not moved, so the same window is read again.
// Records that did arrive are stored already and are recognised.
//
// The bridge dies before the buffer's commit: nothing of the batch is stored; the window is read again. It dies
// after: records, keys and coverage are all on disk, and delivery goes on from there.
//
// A record cannot be decoded: it is delivered in a minimal form and kept in quarantine with the reason.
//
// The SIEM dies, or the network does: what its program is not known to have read is sent again, the same bytes, on the
// next connection. The bridge dies: what was sent and not confirmed is sent again after the restart. The release is on
// disk before an event counts as delivered.
//
// The buffer is full: pulling waits (Microsoft keeps alerts for months), or the oldest records of the destination that
// is behind are dropped and counted, as its overflow says.
package bridge
