// Package emulator is a Microsoft tenant and a SIEM's listener in a box, with their faults, for the demo and the tests.
// The bridge itself never imports it.
//
// A Tenant is an http.Handler with Entra ID's token endpoints and the APIs, each with its paging, limits and late
// records, filled by a Generator from one seed. A Receiver is a SIEM on a real socket. A Network with its Peers is the
// same without sockets, for testing/synctest, with every way in which a connection can end.
package emulator
