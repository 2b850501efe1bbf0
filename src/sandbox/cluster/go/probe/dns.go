package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Asks for the address of "who" (RFC 1035, section 4.1).
var dnsQuestion = []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03who\x00\x00\x01\x00\x01")

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// Answers A queries (RFC 1035): SERVICE.NAMESPACE.svc.cluster.local as the API server knows it at that moment, and the names given
// as arguments. Other names do not exist; other types are empty.
func dns(args []string) {
	flags := flag.NewFlagSet("dns", flag.ExitOnError)
	port := flags.String("port", "53", "UDP and TCP")
	flags.Parse(args)
	records := map[string]string{}
	for _, record := range flags.Args() {
		name, address, _ := strings.Cut(record, "=")
		records[strings.ToLower(name)] = address
	}
	lookup := services(records)

	socket, err := net.ListenPacket("udp", ":"+*port)
	if err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", ":"+*port)
	if err != nil {
		fail(err)
	}
	go func() {
		for {
			query := make([]byte, 1500)
			n, from, err := socket.ReadFrom(query)
			if err != nil {
				fail(err)
			}
			go func() {
				if reply := answer(query[:n], lookup); reply != nil {
					socket.WriteTo(reply, from)
				}
			}()
		}
	}()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				fail(err)
			}
			go func() {
				defer connection.Close()
				message := make([]byte, 1500)
				if n, err := connection.Read(message); err == nil && n > 2 {
					reply := answer(message[2:n], lookup)
					connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
				}
			}()
		}
	}()
	sleep(nil)
}

// The address of a name, or nil when there is none.
func services(records map[string]string) func(string) net.IP {
	roots := x509.NewCertPool()
	ca, _ := os.ReadFile(account + "ca.crt")
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	base := "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	return func(name string) net.IP {
		if address, ok := records[name]; ok {
			return net.ParseIP(address)
		}
		service, ok := strings.CutSuffix(name, ".svc.cluster.local")
		labels := strings.Split(service, ".")
		if !ok || len(labels) != 2 {
			return nil
		}
		request, err := http.NewRequest("GET", base+"/api/v1/namespaces/"+labels[1]+"/services/"+labels[0], nil)
		if err != nil {
			return nil
		}
		token, _ := os.ReadFile(account + "token")
		request.Header.Set("Authorization", "Bearer "+string(token))
		response, err := client.Do(request)
		if err != nil {
			return nil
		}
		defer response.Body.Close()
		var found struct {
			Spec struct {
				ClusterIP string `json:"clusterIP"`
			} `json:"spec"`
		}
		json.NewDecoder(response.Body).Decode(&found)
		return net.ParseIP(found.Spec.ClusterIP)
	}
}

func answer(query []byte, lookup func(string) net.IP) []byte {
	if len(query) < 12 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		labels = append(labels, strings.ToLower(string(query[at+1:end])))
		at = end
	}
	end := at + 5
	if end > len(query) {
		return nil
	}
	isA := binary.BigEndian.Uint16(query[at+1:]) == 1
	address := lookup(strings.Join(labels, ".")).To4()

	reply := append([]byte{}, query[:end]...)
	const responseAndAuthoritative, recursionAvailable, nameError = 0x84, 0x80, 3
	reply[2] = responseAndAuthoritative | query[2]&1
	reply[3] = recursionAvailable
	if address == nil {
		reply[3] |= nameError
	}
	copy(reply[6:12], make([]byte, 6))
	if address != nil && isA {
		reply[7] = 1
		// The name is the one at offset 12; type A, class IN, 5 seconds, 4 bytes.
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4)
		reply = append(reply, address...)
	}
	return reply
}
