//go:build !linux

package main

// monotonic is what systemd wants to know; it runs on Linux only.
func monotonic() int64 { return 0 }
