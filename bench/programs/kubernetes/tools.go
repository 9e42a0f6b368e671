//go:build tools

// Package kubernetes pins the controllers and the scheduler of Kubernetes that the benchmark of the controllers runs.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
)
