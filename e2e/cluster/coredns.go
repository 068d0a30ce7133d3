package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/coredns/caddy"
	_ "github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

// coredns serves cluster DNS from a Corefile. CoreDNS's own main package is not imported: it
// registers one-letter global flags that collide with kubectl's.
func coredns() {
	flags := flag.NewFlagSet("coredns", flag.ExitOnError)
	path := flags.String("conf", "Corefile", "Corefile to load")
	_ = flags.Parse(os.Args[1:])
	caddy.AppName, caddy.Quiet = "coredns", true

	contents, err := os.ReadFile(*path)
	if err != nil {
		fail(err)
	}
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: contents, Filepath: *path, ServerTypeName: "dns"})
	if err != nil {
		fail(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		if err := instance.Stop(); err != nil {
			fail(err)
		}
		os.Exit(0)
	}()
	instance.Wait()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "coredns:", err)
	os.Exit(1)
}
