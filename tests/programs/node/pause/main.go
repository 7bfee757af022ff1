// Pause is what a pod's sandbox runs: it holds the pod's namespaces until it is told to end.
package main

import (
	"context"
	"os/signal"
	"syscall"
)

func main() {
	// What a pod's containers leave behind goes by itself: whoever ignores this signal need not wait for children.
	signal.Ignore(syscall.SIGCHLD)
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	<-told.Done()
}
