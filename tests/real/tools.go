//go:build tools

// Package real pins the servers that the end-to-end tests run against. It is never compiled: the
// imports only make `go mod` keep what build.sh builds.
package real

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
