// SPDX-License-Identifier: Apache-2.0

// simulator [-large] FOLDER - a vCenter for tests: govmomi's simulator behind a front of our own.
//
// govmomi answers SOAP and most of REST. The front serves TLS with a CA of its own, keeps the VM
// classes as a vCenter keeps them, serves the newer session form, and has what a test switches on:
// faults, delays, foreign writers, versions, spellings. It logs each request.
//
// Once it listens it prints one line of JSON: url, control, ca, fingerprint. `control` is the address
// (plain HTTP) of the control endpoint; control.go lists its paths. FOLDER gets ca.pem. With -large each
// host has 8 GPUs and 64 other devices, and each VM as many settings as a real one.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"

	_ "github.com/vmware/govmomi/vapi/namespace/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

const address = "127.0.0.1:0"

// Starts govmomi's simulator on a port of its own, through which its parts call each other.
func startModel(logins *users) (*simulator.Model, error) {
	model := simulator.VPX()
	model.Cluster, model.ClusterHost, model.Machine = 3, 4, 10
	if err := model.Create(); err != nil {
		return nil, err
	}
	// A vCenter's own parts log in too: with a user that no test knows.
	inner := url.UserPassword(uuid.NewString(), uuid.NewString())
	logins.inner = inner
	model.Service.Context.Map.SessionManager().ValidLogin = logins.isValid
	model.Service.RegisterEndpoints = true
	model.Service.Listen = &url.URL{Host: address, User: inner}
	model.Service.NewServer()
	return model, nil
}

func serve(folder string, isLarge bool) error {
	logins := &users{}
	model, err := startModel(logins)
	if err != nil {
		return err
	}
	fillInventory(model)
	if isLarge {
		enlarge(model)
	}
	authority, config, err := newCertificates()
	if err != nil {
		return err
	}
	ca := filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(ca, authority, 0o644); err != nil {
		return err
	}
	outer, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	f := newFront(model, logins)
	failed := make(chan error)
	server := &http.Server{Handler: f, TLSConfig: config, ReadHeaderTimeout: time.Minute}
	server.ErrorLog = log.New(f, "", 0)
	go func() { failed <- server.ServeTLS(outer, "", "") }()
	go func() { failed <- http.Serve(control, f.control()) }()
	line := map[string]string{
		"url":         "https://" + outer.Addr().String(),
		"control":     "http://" + control.Addr().String(),
		"ca":          ca,
		"fingerprint": fingerprint(config),
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return err
	}
	return <-failed
}

func main() {
	log.SetFlags(0)
	isLarge := flag.Bool("large", false, "hosts and VMs as large as real ones")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: simulator [-large] FOLDER")
	}
	log.Fatal(serve(flag.Arg(0), *isLarge))
}
