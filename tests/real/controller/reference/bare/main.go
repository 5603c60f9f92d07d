// SPDX-License-Identifier: Apache-2.0

// Command bare sends the requests of a file to an API server as fast as so many connections can, and
// prints how long that took: the floor for a controller that makes the same writes. Each line of the
// file is a list of requests that follow one another, as those of one class do.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

type request struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Type   string          `json:"type"`
	Body   json.RawMessage `json:"body"`
}

var (
	server = flag.String("server", "", "URL of the API server")
	token  = flag.String("token", "", "bearer token")
	caFile = flag.String("ca", "", "file of the server's CA")
	n      = flag.Int("connections", 4, "connections, each of which has one request at a time")
)

// newClient returns a client with one connection of its own.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, MaxConnsPerHost: 1, ForceAttemptHTTP2: true,
	}}
}

func send(client *http.Client, r *request) error {
	req, err := http.NewRequest(r.Method, *server+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+*token)
	req.Header.Set("Content-Type", r.Type)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode > 299 {
		err = fmt.Errorf("%s %s: %s: %s", r.Method, r.Path, resp.Status, text)
	}
	return err
}

func work(client *http.Client, lines <-chan []byte) {
	for line := range lines {
		var requests []request
		if err := json.Unmarshal(line, &requests); err != nil {
			log.Fatal(err)
		}
		for i := range requests {
			if err := send(client, &requests[i]); err != nil {
				log.Fatal(err)
			}
		}
	}
}

func main() {
	flag.Parse()
	ca, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	file, err := os.Open(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	lines := make(chan []byte)
	var done sync.WaitGroup
	began := time.Now()
	for range *n {
		done.Go(func() { work(newClient(roots), lines) })
	}
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			lines <- line
		}
		if err != nil {
			break
		}
	}
	close(lines)
	done.Wait()
	fmt.Printf("%.3f\n", time.Since(began).Seconds())
}
