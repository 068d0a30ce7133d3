// Command argocd is the part of Argo CD that a cluster needs to follow a git repository: application
// controller, repo server, and an in-memory Redis between them, chosen by argv[0].
//
// Argo CD's own command also holds the web server, the CLI and six more programs: they would double
// what is compiled. Nothing here changes what any of these does.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

var programs = map[string]func() *cobra.Command{
	"argocd-application-controller": controller.NewCommand,
	"argocd-repo-server":            reposerver.NewCommand,
	"argocd-redis":                  redis,
}

func main() {
	name := filepath.Base(os.Args[0])
	build, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: call this binary by the name of the program to run, for example argocd-repo-server\n", name)
		os.Exit(2)
	}
	if err := build().Execute(); err != nil {
		os.Exit(1)
	}
}

// redis serves Argo CD's cache at an address until the process is ended.
func redis() *cobra.Command {
	return &cobra.Command{
		Use:  "argocd-redis ADDRESS",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error {
			if err := miniredis.NewMiniRedis().StartAddr(arguments[0]); err != nil {
				return err
			}
			select {}
		},
	}
}
