// Probe is the one program in the pods of the real node: it serves, dials, holds connections and sleeps; it also answers DNS,
// and is a CNI plugin on the node itself. Static, without dependencies.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const usage = `probe serve [-name NAME] tcp:PORT udp:PORT sctp:PORT ...   say the name to everyone who connects, then echo
probe dial [-timeout 1s] tcp:HOST:PORT udp:HOST:PORT sctp:HOST:PORT ...   dial all at once; verdicts as JSON
probe hold [-every 200ms] [-timeout 1s] HOST:PORT   keep one TCP connection and tick through it, a line each, until it fails
probe dns [-port 53] [NAME=ADDRESS ...]   answer for the cluster's Services and for these names
probe sleep   do nothing until told to end
`

func main() {
	if os.Getenv("CNI_COMMAND") != "" {
		cni()
		return
	}
	commands := map[string]func([]string){"serve": serve, "dial": dial, "hold": hold, "dns": dns, "sleep": sleep}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	commands[os.Args[1]](os.Args[2:])
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// As process 1 of a container nothing ends us but a signal that we handle.
func sleep([]string) {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	<-ends
	os.Exit(0)
}

func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	hostname, _ := os.Hostname() // in a pod: the pod's name
	name := flags.String("name", hostname, "what to say")
	flags.Parse(args)
	for _, spec := range flags.Args() {
		protocol, port, _ := strings.Cut(spec, ":")
		switch protocol {
		case "tcp":
			listener, err := net.Listen("tcp", ":"+port)
			if err != nil {
				fail(err)
			}
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						fail(err)
					}
					go func() {
						defer connection.Close()
						fmt.Fprintln(connection, *name)
						io.Copy(connection, connection)
					}()
				}
			}()
		case "udp":
			socket, err := net.ListenPacket("udp", ":"+port)
			if err != nil {
				fail(err)
			}
			go func() {
				for {
					_, from, err := socket.ReadFrom(make([]byte, 2048))
					if err != nil {
						fail(err)
					}
					socket.WriteTo([]byte(*name+"\n"), from)
				}
			}()
		case "sctp":
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				fail(err)
			}
			socket, err := net.ListenPacket("ip4:132", "0.0.0.0")
			if err != nil {
				fail(err)
			}
			go serveSCTP(socket, uint16(number), *name)
		default:
			fail(fmt.Errorf("%q is none of tcp:PORT, udp:PORT and sctp:PORT", spec))
		}
	}
	sleep(nil)
}

type verdict struct {
	Target string `json:"target"`
	Open   bool   `json:"open"`
	// What the other side said; empty when it takes connections but says nothing.
	Name  string `json:"name,omitempty"`
	Error string `json:"error,omitempty"`
}

func dial(args []string) {
	flags := flag.NewFlagSet("dial", flag.ExitOnError)
	timeout := flags.Duration("timeout", time.Second, "for each target")
	flags.Parse(args)
	verdicts := make([]verdict, flags.NArg())
	var all sync.WaitGroup
	for i, target := range flags.Args() {
		all.Go(func() { verdicts[i] = reach(target, *timeout) })
	}
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(verdicts)
}

func reach(target string, timeout time.Duration) verdict {
	protocol, address, _ := strings.Cut(target, ":")
	refused := func(err error) verdict { return verdict{Target: target, Error: err.Error()} }
	deadline := time.Now().Add(timeout)
	if protocol == "sctp" {
		host, port, _ := net.SplitHostPort(address)
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return refused(err)
		}
		name, err := reachSCTP(host, uint16(number), timeout)
		if err != nil {
			return refused(err)
		}
		return verdict{Target: target, Open: true, Name: name}
	}
	connection, err := net.DialTimeout(protocol, address, timeout)
	if err != nil {
		return refused(err)
	}
	defer connection.Close()
	if protocol == "tcp" {
		connection.SetReadDeadline(deadline)
		line, _ := bufio.NewReader(connection).ReadString('\n')
		return verdict{Target: target, Open: true, Name: strings.TrimSpace(line)}
	}
	// A datagram may be lost: ask a few times.
	for {
		connection.Write([]byte("who\n"))
		next := time.Now().Add(timeout / 4)
		connection.SetReadDeadline(next)
		line, err := bufio.NewReader(connection).ReadString('\n')
		if err == nil {
			return verdict{Target: target, Open: true, Name: strings.TrimSpace(line)}
		}
		// Anything but silence is an answer.
		if !errors.Is(err, os.ErrDeadlineExceeded) || !next.Before(deadline) {
			return refused(err)
		}
	}
}

func hold(args []string) {
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	every := flags.Duration("every", 200*time.Millisecond, "between ticks")
	timeout := flags.Duration("timeout", time.Second, "for the connection, and for each answer")
	flags.Parse(args)
	connection, err := net.DialTimeout("tcp", flags.Arg(0), *timeout)
	if err != nil {
		fail(err)
	}
	answers := bufio.NewReader(connection)
	read := func() string {
		connection.SetReadDeadline(time.Now().Add(*timeout))
		line, err := answers.ReadString('\n')
		if err != nil {
			fail(fmt.Errorf("lost: %w", err))
		}
		return strings.TrimSpace(line)
	}
	fmt.Println("connected", read())
	for i := 1; ; i++ {
		fmt.Fprintln(connection, i)
		fmt.Println("tick", read())
		time.Sleep(*every)
	}
}
