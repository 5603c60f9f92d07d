//go:build tools

// Package helm pins helm. It is never compiled: the import only makes `go mod` keep what build.sh builds.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
