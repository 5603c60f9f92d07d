//go:build tools

// Package krew pins krew. It is never compiled: the imports only make `go mod` keep what build.sh builds.
package krew

import (
	_ "sigs.k8s.io/krew/cmd/krew"
	_ "sigs.k8s.io/krew/cmd/validate-krew-manifest"
)
