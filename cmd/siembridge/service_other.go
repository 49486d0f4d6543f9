//go:build !windows

package main

import "context"

// asService: only Windows has a service manager that a program has to speak to.
func asService(func(context.Context) int) (code int, ok bool) { return 0, false }
