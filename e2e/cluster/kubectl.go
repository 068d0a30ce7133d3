//go:build kubectl

package main

import kubectl "k8s.io/kubectl/pkg/cmd"

// kubectl shares little with the servers, so it is built in only where no package has it.
func init() {
	commands["kubectl"] = kubectl.NewDefaultKubectlCommand
}
