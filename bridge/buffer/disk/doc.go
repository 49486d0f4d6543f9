// Package disk is the buffer of one machine: records in append-only segment files, everything small in bbolt.
//
// # In the state directory
//
//	lock                   held while a process uses the directory; names it
//	buffer/log/*.log       segments: the records as they came, in the order of their numbers (format.go)
//	buffer/index.db        bbolt: end of the log, keys, checkpoints, positions of the destinations (index.go)
//	buffer/progress        how far destinations have come since the last commit (progress.go)
//	buffer/quarantine.db   records set aside, with their reasons
//	buffer/reserve         a mebibyte of nothing, given up so that releases can be stored on a full disk
//
// # Versions
//
// formatVersion is the version of all this. It stands in the index, in a row whose layout is the same in all versions,
// and in the header of each segment. Open refuses a newer version before it changes a file: an older siembridge never
// reads, cuts or rebuilds what a newer one wrote. A version that changes the format raises the number, brings older
// directories up to it when it opens them (raise.go), and is tested with those in testdata/state-*, of which each
// version leaves one. The formats so far:
//
//	1  a generation of keys has a row for each key
//	2  a generation of keys has a row for all keys that begin with the same twelve bits (keys.go)
//
// # One commit
//
// A goroutine, the committer, takes all Appends and Releases that came while it was busy as one group. It decides
// which records are events, writes their frames to the active segment and syncs it; then one transaction of the index
// moves the end of the log, the keys, the checkpoints and the positions. That transaction is the commit point. A
// crash before it leaves frames behind the end of the log that the index knows; opening cuts them off, always, and so
// does a commit that failed. A crash behind it leaves at most segment files that are needed no more; opening deletes
// them.
//
// Releases that come alone are written into the progress file, not synced, and are committed with the next Append, with
// the sixteenth of them, or after a second. What was written outlives the process: opening takes it up, where it was
// written on top of the very commit that the index ends with. A loss of power may take it, which costs repeats. There is
// no other recovery.
//
// # Space
//
// Bytes that some destination has yet to deliver count against MaxSize. Delivered records stay for Retain and give
// way, oldest first, when space is short. When pending records alone fill the buffer, Append waits; but first the
// oldest records that only destinations with OverflowDropOldest or closed queues still need are dropped and counted.
//
// # Damage
//
// Each frame has a checksum. A reader that meets a wrong one goes on at the next good frame, and Report tells what was
// passed over, and which numbers are missing where nothing looks damaged. The index holds a digest of its rows
// (digest.go). Segment files under a wrong name are put right (arrange.go). A damaged index is set aside under another
// name and rebuilt from the log: records, numbers and keys are found there, and the positions of the destinations as
// last written into it. Checkpoints are not, so sources pull again what the keys then recognise. It costs repeats,
// never records.
package disk
