package main

// Certificate authorities for a machine or an image that has none: Mozilla's list, kept by the Go project. Where the
// system has its own, that one counts.
import _ "golang.org/x/crypto/x509roots/fallback"
