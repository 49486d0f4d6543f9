// Package emulator is a Microsoft tenant and a SIEM's listener in a box, with their faults, for the demo and the tests.
// The bridge itself never imports it.
package emulator
