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
// One goroutine pulls for each source, a delivery.Worker delivers for each destination, one serves the status page; Run
// starts and ends them all. A unit (unit.go) is the handle of a source's or a destination's, which reload starts and
// stops alone. They meet in the buffer only: a source never waits for a destination until the buffer is full, and no
// destination waits for another. What a replay or a retry from quarantine sends again is mixed into the destination's
// queue (resend.go). What siembridge tells of itself is a record of a source of its own (notice.go, heartbeat.go), but
// for the heartbeat, which is never stored. Where several instances share a JetStream buffer, one of them pulls a source
// at a time (source.go), and each delivers its part of a destination's records.
//
// Decisions are functions without socket, clock or goroutine: which windows to read (bridge/source/plan.go), which records
// are events (bridge/buffer/keys), which address is next and when it is asked (bridge/delivery/failover.go), what a
// connection's end says and confirms (verdict.go, ledger.go and tail.go there), what an event looks like (formats).
//
// # Failure at each stage
//
// "On disk" is what a kill -9 or a power failure at that moment leaves, with buffer.type = "disk"; of a JetStream buffer
// the same holds of what a majority of the servers has.
//
// Before a page is read, while it is, or when it cannot be read: on disk is the source's checkpoint of the last commit,
// whose coverage has not moved, and what came before the failure, if anything did. The source finishes: it reads the same
// window again, and what is stored already is recognised. A window that keeps failing while others succeed is halved until
// the one bad record stands alone; that is a hole in the coverage, stored with it, reported, and tried again every 6
// hours, and the rest goes on. What cannot be read of a file goes to quarantine.
//
// The page is split, and the commit has not happened: on disk are at most frames behind the end of the log that the
// index knows. The next start cuts them off, and the source reads the window again. Nothing of the batch is stored, or
// all of it: records that are events, their keys and the coverage are one transaction. A window of many records is
// several batches, of which the last has the coverage.
//
// The commit has happened, and Append has not returned, or returned an error that hides it: on disk is the batch. The
// source appends or reads it again, and the keys recognise every record.
//
// The commit has happened: on disk are records, keys and coverage. The destinations' workers finish; the source does not
// come back to that window but for lookback, and what it finds there is recognised.
//
// A record cannot be decoded: on disk it is pending, as Microsoft sent it. The worker keeps a copy in quarantine with the
// reason, then delivers a minimal event; if the copy cannot be stored, it says so and delivers all the same. Dying in
// between may set it aside twice; quarantine retry delivers it in full once a version reads it.
//
// The filter keeps a record back: on disk it is pending until it is released, unsent; a crash before that filters it again.
//
// Events are written to a connection that is not confirmed: on disk the records are pending, as if nothing had been sent.
// After an unclean end the worker sends what the receiver's program is not known to have read again, the same bytes, on
// the next connection, before anything newer; after a crash the next start's worker does. That is one connection and the
// 256 KiB before it, at most. With confirm = "ack", or where a receiver never answers a half-close, TCP's acknowledgement
// releases: then a note on disk, older than the first such release, says that the last MiB may be unread, and after an
// unclean end or a crash it is read back from the buffer and sent again.
//
// The receiver has confirmed, and the release is not stored: the same, so these events are repeated. An event counts as
// delivered when its release is stored so that it outlives the process, never before; a loss of power before the next
// commit, which comes within a second, repeats it. When releases cannot be stored, the worker keeps them, says so and
// tries again; on a full disk the buffer gives up its reserve for them.
//
// The release is stored: on disk the record is retained, for replay and reconcile, until buffer.retain or until room
// is needed. Reconcile asks the APIs what they have and compares it with what is on disk; it is the check that nothing
// of the above went wrong.
//
// The receiver ends three connections over one record while it takes others: the worker sets the record aside, then
// releases it, so that it does not hold back the rest. Quarantine has it, on disk, before the release is.
//
// The buffer is full: on disk is everything that was pulled. Pulling waits (Microsoft keeps alerts for months) until a
// worker releases something, or the oldest records of the destination that is behind are dropped and counted, as its
// overflow says.
//
// The disk is full: nothing that is to be delivered is lost. Delivered records go before their time; when that does not
// help, Append returns buffer.ErrNoSpace and sources try again; the operator makes room.
//
// The log or the index is damaged: the next start, or the reader that meets it, passes over what fails its checksum,
// rebuilds a damaged index from the log and says what is missing; the sources pull that again as far as the API has it.
// When the index turns out damaged in the middle, Run ends with an error, so that the next start comes.
//
// A refresh token was rotated: the new one is on disk before the access token that came with it is used, and the old one
// stays beside it until the new one has worked (entra.RefreshToken).
//
// The configuration is changed by reload: everything that can fail is built first. After an error the old one runs on,
// and what is on disk is what it was, but that the queue of a new destination may be there, closed. The queue of a
// destination that changed is opened anew when the old one has stopped, and tried every second until it is; its records
// wait on disk.
package bridge
