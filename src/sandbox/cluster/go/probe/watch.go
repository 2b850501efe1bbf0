package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// What must not answer gets less time, so that it is tried often.
const shutTimeout = 300 * time.Millisecond

type watched struct {
	Target string `json:"target"`
	// Ticks, or dials, that went as they must.
	Held int `json:"held"`
	// The longest that one of them took, in milliseconds.
	Longest int64 `json:"longest"`
	// What went otherwise, the first of it; a connection that is lost stays lost.
	Broken string `json:"broken,omitempty"`
}

// Says `watching` once each target was tried, and at the end of its standard input what it has seen, as JSON.
func watch(args []string) {
	flags := flag.NewFlagSet("watch", flag.ExitOnError)
	every := flags.Duration("every", 200*time.Millisecond, "between ticks, and between dials")
	timeout := flags.Duration("timeout", 5*time.Second, "for each answer that must come")
	flags.Parse(args)
	over := make(chan struct{})
	seen := make([]watched, flags.NArg())
	var first, all sync.WaitGroup
	for i, spec := range flags.Args() {
		kind, address, _ := strings.Cut(spec, ":")
		check := checkOf(kind, address, *timeout)
		seen[i].Target = spec
		first.Add(1)
		all.Go(func() {
			for number := 1; ; number++ {
				begin := time.Now()
				err := check(number)
				if err != nil {
					if seen[i].Broken == "" {
						seen[i].Broken = fmt.Sprintf("%s: %s", time.Now().UTC().Format(time.RFC3339Nano), err)
					}
				} else {
					seen[i].Held++
					seen[i].Longest = max(seen[i].Longest, time.Since(begin).Milliseconds())
				}
				if number == 1 {
					first.Done()
				}
				select {
				case <-over:
					return
				case <-time.After(*every):
				}
			}
		})
	}
	first.Wait()
	fmt.Println("watching")
	io.Copy(io.Discard, os.Stdin)
	close(over)
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(seen)
}

func checkOf(kind, address string, timeout time.Duration) func(int) error {
	switch kind {
	case "keep":
		connection, _, err := keep(address, timeout)
		return func(number int) error {
			if err == nil {
				err = connection.tick(number)
			}
			return err
		}
	case "open":
		return func(int) error {
			if found := reach("tcp:"+address, timeout); !found.Open {
				return fmt.Errorf("did not answer: %s", found.Error)
			}
			return nil
		}
	case "shut":
		return func(int) error {
			if reach("tcp:"+address, shutTimeout).Open {
				return fmt.Errorf("answered")
			}
			return nil
		}
	}
	fail(fmt.Errorf("%q is none of keep, open and shut", kind))
	return nil
}
