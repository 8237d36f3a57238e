// load sends one body repeatedly and prints how long the answers took.
//
// It writes prepared bytes on its own TLS connections instead of using net/http, so that the client
// costs little. With -rate it keeps to a schedule and measures from when a request was due,
// so that a slow answer is not hidden by the requests that waited behind it.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type result struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Seconds  float64 `json:"seconds"`
	Rate     float64 `json:"rate"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
	Problem  string  `json:"problem,omitempty"`
}

type worker struct {
	address string
	request []byte
	conn    net.Conn
	reader  *bufio.Reader
}

func (w *worker) connect() error {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", w.address, &tls.Config{
		InsecureSkipVerify: true, // loopback; certificates are not what is measured
		NextProtos:         []string{"http/1.1"},
	})
	if err != nil {
		return err
	}
	w.conn, w.reader = conn, bufio.NewReaderSize(conn, 16*1024)
	return nil
}

func (w *worker) ask() error {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return err
		}
	}
	closing, err := w.exchange()
	if err != nil || closing {
		w.conn.Close()
		w.conn = nil
	}
	return err
}

func (w *worker) exchange() (closing bool, err error) {
	w.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err = w.conn.Write(w.request); err != nil {
		return true, err
	}
	status, err := w.reader.ReadSlice('\n')
	if err != nil {
		return true, err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return true, fmt.Errorf("answered %q", status)
	}
	length := -1
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return true, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return true, err
			}
		case "connection":
			closing = strings.EqualFold(value, "close")
		}
	}
	if length < 0 {
		return true, fmt.Errorf("no Content-Length")
	}
	_, err = w.reader.Discard(length)
	return closing, err
}

func main() {
	address := flag.String("address", "", "host:port")
	path := flag.String("path", "/validate?timeout=10s", "request target")
	file := flag.String("body", "", "file with the body")
	connections := flag.Int("connections", 16, "how many at once")
	seconds := flag.Float64("seconds", 5, "how long")
	rate := flag.Float64("rate", 0, "requests per second, 0 for as many as possible")
	flag.Parse()

	body, err := os.ReadFile(*file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	// The headers of Go's client as kube-apiserver uses it.
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kube-apiserver-admission\r\n"+
		"Content-Length: %d\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n"+
		"Accept-Encoding: gzip\r\n\r\n", *path, *address, len(body))
	request := append([]byte(head), body...)

	var (
		wait      sync.WaitGroup
		mutex     sync.Mutex
		latencies []time.Duration
		errors    atomic.Int64
		problem   atomic.Value
		next      atomic.Int64
	)
	// All workers connect first, so that no handshake is measured.
	workers := make([]*worker, *connections)
	for i := range workers {
		workers[i] = &worker{address: *address, request: request}
		if err := workers[i].connect(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	start := time.Now()
	end := start.Add(time.Duration(*seconds * float64(time.Second)))
	for _, w := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			var own []time.Duration
			for {
				due := time.Now()
				if *rate > 0 {
					due = start.Add(time.Duration(float64(next.Add(1)) / *rate * float64(time.Second)))
					time.Sleep(time.Until(due))
				}
				if due.After(end) {
					break
				}
				if err := w.ask(); err != nil {
					errors.Add(1)
					problem.Store(err.Error())
				} else {
					own = append(own, time.Since(due))
				}
			}
			mutex.Lock()
			latencies = append(latencies, own...)
			mutex.Unlock()
		}()
	}
	wait.Wait()
	elapsed := time.Since(start).Seconds()
	slices.Sort(latencies)
	at := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		index := min(int(share*float64(len(latencies))), len(latencies)-1)
		return float64(latencies[index].Microseconds()) / 1000
	}
	text, _ := problem.Load().(string)
	out := json.NewEncoder(io.Writer(os.Stdout))
	out.Encode(result{len(latencies), int(errors.Load()), elapsed,
		float64(len(latencies)) / elapsed, at(0.5), at(0.99), at(1), text})
}
