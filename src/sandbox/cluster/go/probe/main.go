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

const usage = `probe serve [-name NAME] tcp:PORT http:PORT udp:PORT sctp:PORT ...   say the name to everyone who connects, then echo;
                                                 http: as an answer over HTTP, so that curl has it too
probe dial [-timeout 1s] [-open] tcp:HOST:PORTS udp:HOST:PORTS sctp:HOST:PORTS ...   dial; verdicts as JSON, with -open of those that
                                                 answer only; PORTS as in 80 or 1-1024,8080
probe hold [-every 200ms] [-timeout 1s] HOST:PORT   keep one TCP connection and tick through it, a line each, until it fails
probe watch [-every 200ms] [-timeout 5s] keep:HOST:PORT open:HOST:PORT shut:HOST:PORT ...   over TCP, until its standard input ends:
                                                 a connection that lives, new ones that must be had, new ones that must not be
probe dns [-port 53] [NAME=ADDRESS ...]   answer for the cluster's Services and for these names
probe sleep   do nothing until told to end
`

func main() {
	if os.Getenv("CNI_COMMAND") != "" {
		cni()
		return
	}
	commands := map[string]func([]string){"serve": serve, "dial": dial, "hold": hold, "watch": watch, "dns": dns, "sleep": sleep}
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
		case "tcp", "http":
			greeting := *name + "\n"
			if protocol == "http" {
				greeting = httpGreeting(greeting)
			}
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
						io.WriteString(connection, greeting)
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
			fail(fmt.Errorf("%q is none of tcp:PORT, http:PORT, udp:PORT and sctp:PORT", spec))
		}
	}
	sleep(nil)
}

const httpStatus = "HTTP/1.1 200 OK"

// An answer to any request, whole before one has come: our own clients send none.
func httpGreeting(body string) string {
	return fmt.Sprintf("%s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", httpStatus, len(body), body)
}

// The name that a server of ours says first.
func readGreeting(from *bufio.Reader) (string, error) {
	line, err := from.ReadString('\n')
	line = strings.TrimSpace(line)
	if line != httpStatus {
		return line, err
	}
	for line != "" && err == nil {
		line, err = from.ReadString('\n')
		line = strings.TrimSpace(line)
	}
	line, err = from.ReadString('\n')
	return strings.TrimSpace(line), err
}

type verdict struct {
	Target string `json:"target"`
	Open   bool   `json:"open"`
	// What the other side said; empty when it takes connections but says nothing.
	Name  string `json:"name,omitempty"`
	Error string `json:"error,omitempty"`
}

// As many as a scan has under way at once, and begins in a second: of a burst the kernel loses a part, its backlogs being short.
const dialsAtOnce, dialsPerSecond = 4000, 3000

func dial(args []string) {
	flags := flag.NewFlagSet("dial", flag.ExitOnError)
	timeout := flags.Duration("timeout", time.Second, "for each target")
	onlyOpen := flags.Bool("open", false, "tell of those that answer only")
	flags.Parse(args)
	var targets []string
	for _, spec := range flags.Args() {
		expanded, err := expand(spec)
		if err != nil {
			fail(err)
		}
		targets = append(targets, expanded...)
	}
	all := make([]verdict, len(targets))
	var dials sync.WaitGroup
	places := make(chan struct{}, dialsAtOnce)
	begin := time.Now()
	for i, target := range targets {
		for i > 100 && float64(i-100) > time.Since(begin).Seconds()*dialsPerSecond {
			time.Sleep(5 * time.Millisecond)
		}
		places <- struct{}{}
		dials.Go(func() {
			all[i] = reach(target, *timeout)
			<-places
		})
	}
	dials.Wait()
	told := []verdict{}
	for _, each := range all {
		if each.Open || !*onlyOpen {
			told = append(told, each)
		}
	}
	json.NewEncoder(os.Stdout).Encode(told)
}

// The targets that tcp:HOST:1-1024,8080 stands for, one for each port.
func expand(spec string) ([]string, error) {
	at := strings.LastIndex(spec, ":")
	var targets []string
	for _, part := range strings.Split(spec[at+1:], ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || at < 0 {
			return nil, fmt.Errorf("%q is not PROTOCOL:HOST:PORTS", spec)
		}
		for port := from; port <= to; port++ {
			targets = append(targets, fmt.Sprintf("%s:%d", spec[:at], port))
		}
	}
	return targets, nil
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
		name, _ := readGreeting(bufio.NewReader(connection))
		return verdict{Target: target, Open: true, Name: name}
	}
	// A datagram may be lost: ask a few times. Servers of ours answer anything, and DNS answers this.
	answer := make([]byte, 1500)
	for {
		connection.Write(dnsQuestion)
		next := time.Now().Add(timeout / 4)
		connection.SetReadDeadline(next)
		n, err := connection.Read(answer)
		if err == nil {
			name, _, isText := strings.Cut(string(answer[:n]), "\n")
			if !isText {
				name = ""
			}
			return verdict{Target: target, Open: true, Name: name}
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
	kept, name, err := keep(flags.Arg(0), *timeout)
	if err != nil {
		fail(err)
	}
	fmt.Println("connected", name)
	for i := 1; ; i++ {
		if err := kept.tick(i); err != nil {
			fail(err)
		}
		fmt.Println("tick", i)
		time.Sleep(*every)
	}
}

// A TCP connection to a server of ours, which says its name and then echoes.
type kept struct {
	net.Conn
	answers *bufio.Reader
	timeout time.Duration
}

func keep(address string, timeout time.Duration) (*kept, string, error) {
	connection, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, "", err
	}
	k := &kept{connection, bufio.NewReader(connection), timeout}
	k.SetReadDeadline(time.Now().Add(timeout))
	name, err := readGreeting(k.answers)
	if err != nil {
		return nil, "", fmt.Errorf("lost: %w", err)
	}
	return k, name, nil
}

func (k *kept) read() (string, error) {
	k.SetReadDeadline(time.Now().Add(k.timeout))
	line, err := k.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("lost: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// Sends a number and waits until it comes back.
func (k *kept) tick(number int) error {
	fmt.Fprintln(k, number)
	echo, err := k.read()
	if err == nil && echo != strconv.Itoa(number) {
		return fmt.Errorf("lost: sent %d, got %q", number, echo)
	}
	return err
}
