//go:build tools

// Package upstream pins the controllers of Kubeflow Trainer and JobSet, with which the differential tests compare ours.
// Nothing here is compiled into a program of its own: the imports make `go mod tidy` keep what the programs need.
package upstream

import (
	_ "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager"
	_ "sigs.k8s.io/jobset"
)
