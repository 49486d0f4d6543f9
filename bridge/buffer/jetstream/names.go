package jetstream

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// StreamName is the name of the one stream that holds everything. Two installations that share servers need accounts
// of their own.
const StreamName = "siembridge"

// Subjects of the stream. Each holds one message, the newest.
//
//	siembridge.r.<source>.<batch>.<n>   a block of records
//	siembridge.p.<source>.<batch>.<n>   the second and further pieces of a block that is larger than a message may be
//	siembridge.k.<id>                   what is remembered of a key
//	siembridge.s.c.<source>             a source: who pulls it, its checkpoint
//	siembridge.s.d.<destination>        a destination: what it wants
//	siembridge.s.l.<destination>.<lane> who delivers a lane, and what is released of it
//	siembridge.s.h.<source>             records of the source before this block are removed
//	siembridge.s.m.<instance>           an instance is there
//	siembridge.s.n.<subject>.<key>      a note
//	siembridge.s.t.<source>             a chain of refresh tokens
//	siembridge.s.v                      a buffer is being carried over into this one, or was
//	siembridge.s.check                  something was stored, to see that it can be
//	siembridge.s.w                      the servers were seen to have lost writes
//	siembridge.s.x.<id>                 a record that was set aside, without Raw
//	siembridge.s.q                      how many of those had to go
//	siembridge.y.<id>.<n>               the record's Raw, in pieces
const (
	prefix      = "siembridge."
	blocks      = prefix + "r."
	pieces      = prefix + "p."
	keySubjects = prefix + "k."
	states      = prefix + "s."

	ofSource      = states + "c."
	ofDestination = states + "d."
	ofLane        = states + "l."
	ofHorizon     = states + "h."
	ofMember      = states + "m."
	ofNote        = states + "n."
	ofToken       = states + "t."
	ofCheck       = states + "check"
	ofDoubt       = states + "w"
	ofMove        = states + "v"
	ofQuarantined = states + "x."
	ofQuarantine  = states + "q"

	setAside = prefix + "y."
)

// token makes one token of a subject of a name: what may not stand in one is written as % and two hexadecimal digits.
func token(name string) string {
	if name == "" {
		return "%"
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// name is the inverse of token.
func name(token string) string {
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] == '%' && i+2 < len(token) {
			b.WriteByte(unhex(token[i+1])<<4 | unhex(token[i+2]))
			i += 2
		} else if token[i] != '%' {
			b.WriteByte(token[i])
		}
	}
	return b.String()
}

func unhex(c byte) byte {
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}

var base = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// keySubject is where a key is remembered.
func keySubject(id keys.ID) string { return keySubjects + base.EncodeToString(id[:]) }

// noteSubject is where a note is kept.
func noteSubject(subject, key string) string {
	sum := sha256.Sum256([]byte(key))
	return ofNote + token(subject) + "." + base.EncodeToString(sum[:16])
}

// Lanes is into how many parts the records of a destination are divided by their keys. A lane is delivered by one
// instance at a time, so that the order within a key is kept; more instances than lanes don't help.
const Lanes = 8

// laneOf returns the lane of a key.
func laneOf(source, key string) byte {
	sum := uint32(2166136261) // FNV-1a
	for _, s := range [2]string{source, key} {
		for i := range len(s) {
			sum = (sum ^ uint32(s[i])) * 16777619
		}
	}
	return byte((sum ^ sum>>16) % Lanes)
}
