//go:build tools

// Package kwok pins KWOK, whose nodes the benchmark of the controllers uses.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
