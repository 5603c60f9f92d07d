//go:build tools

// Package capi pins Cluster API's manager, which the tests run against. It is never compiled: the
// imports only make `go mod` keep what build.sh builds.
package capi

import (
	_ "sigs.k8s.io/cluster-api"
)
