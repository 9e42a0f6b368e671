//go:build tools

// Package kube pins the programs of a real control plane that the conformance suite runs against. Nothing here is
// compiled into a program of its own: the imports make `go mod tidy` keep what the three programs need.
package kube

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
