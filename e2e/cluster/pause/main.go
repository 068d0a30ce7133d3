// Command pause holds a pod's namespaces open: it reaps orphans when it is process 1 and ends on a
// signal.
//
// A program of its own, since one starts with each pod: the binary with all of Kubernetes takes a
// fifth of a second of processor time to begin.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
