package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// SCTP by hand, over raw sockets: INIT, and INIT ACK with the name as its cookie (RFC 9260, sections 3.1 and 3.3). That is all that
// a packet filter needs to judge a new association, and kernels without SCTP of their own carry it too. It takes CAP_NET_RAW.
const (
	sctpProtocol = 132
	sctpInit     = 1
	sctpInitAck  = 2
	sctpCookie   = 7
	// Common header (12 bytes) and chunk with its fixed fields (20 bytes).
	sctpFixed = 32
)

func sctpPacket(from, to uint16, peerTag uint32, kind byte, tag uint32, cookie string) []byte {
	packet := make([]byte, sctpFixed, sctpFixed+8+len(cookie))
	binary.BigEndian.PutUint16(packet, from)
	binary.BigEndian.PutUint16(packet[2:], to)
	binary.BigEndian.PutUint32(packet[4:], peerTag)
	if cookie != "" {
		packet = binary.BigEndian.AppendUint16(packet, sctpCookie)
		packet = binary.BigEndian.AppendUint16(packet, uint16(4+len(cookie)))
		packet = append(packet, cookie...)
	}
	chunk := packet[12:]
	chunk[0] = kind
	binary.BigEndian.PutUint16(chunk[2:], uint16(len(chunk)))
	binary.BigEndian.PutUint32(chunk[4:], tag)
	binary.BigEndian.PutUint32(chunk[8:], 1<<16) // window
	binary.BigEndian.PutUint16(chunk[12:], 1)    // streams out
	binary.BigEndian.PutUint16(chunk[14:], 1)    // streams in
	for len(packet)%4 != 0 {
		packet = append(packet, 0)
	}
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, crc32.MakeTable(crc32.Castagnoli)))
	return packet
}

// Answers each INIT to this port.
func serveSCTP(socket net.PacketConn, port uint16, name string) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			fail(err)
		}
		packet := buffer[:n]
		if n < sctpFixed || packet[12] != sctpInit || binary.BigEndian.Uint16(packet[2:]) != port {
			continue
		}
		peerPort, peerTag := binary.BigEndian.Uint16(packet), binary.BigEndian.Uint32(packet[16:])
		socket.WriteTo(sctpPacket(port, peerPort, peerTag, sctpInitAck, rand.Uint32()|1, name), from)
	}
}

type sctpAnswer struct {
	name string
	err  error
}

type sctpDial struct {
	to      net.IP
	port    uint16
	answers chan sctpAnswer
}

// Every raw socket gets every packet, so there is one pair of them for all dials; these are told apart by their own ports.
type sctpDialer struct {
	packets, errors net.PacketConn
	mutex           sync.Mutex
	dials           map[uint16]sctpDial
}

var theSCTPDialer = sync.OnceValues(func() (*sctpDialer, error) {
	packets, err := net.ListenPacket("ip4:132", "0.0.0.0")
	if err != nil {
		return nil, err
	}
	errors, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return nil, err
	}
	dialer := &sctpDialer{packets: packets, errors: errors, dials: map[uint16]sctpDial{}}
	go dialer.readPackets()
	go dialer.readErrors()
	return dialer, nil
})

// A new dial, under a port of its own.
func (d *sctpDialer) add(to net.IP, port uint16) (uint16, sctpDial) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	own := uint16(32768 + rand.N(28000))
	for d.dials[own].answers != nil {
		own++
	}
	dial := sctpDial{to: to, port: port, answers: make(chan sctpAnswer, 1)}
	d.dials[own] = dial
	return own, dial
}

func (d *sctpDialer) answer(from net.IP, port, own uint16, answer sctpAnswer) {
	d.mutex.Lock()
	dial := d.dials[own]
	d.mutex.Unlock()
	if dial.port != port || !dial.to.Equal(from) {
		return
	}
	select {
	case dial.answers <- answer:
	default: // It has one.
	}
}

func (d *sctpDialer) readPackets() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := d.packets.ReadFrom(buffer)
		if err != nil {
			fail(err)
		}
		if n < sctpFixed+4 || buffer[12] != sctpInitAck {
			continue
		}
		end := sctpFixed + int(binary.BigEndian.Uint16(buffer[sctpFixed+2:]))
		if end < sctpFixed+4 || end > n {
			continue
		}
		name := string(buffer[sctpFixed+4 : end])
		d.answer(from.(*net.IPAddr).IP, binary.BigEndian.Uint16(buffer), binary.BigEndian.Uint16(buffer[2:]), sctpAnswer{name: name})
	}
}

func (d *sctpDialer) readErrors() {
	buffer := make([]byte, 2048)
	for {
		n, _, err := d.errors.ReadFrom(buffer)
		if err != nil {
			fail(err)
		}
		// Destination unreachable: 8 bytes, then the header of the packet that it is about, and 8 bytes of its content.
		if n < 8+20+8 || buffer[0] != 3 || buffer[8+9] != sctpProtocol {
			continue
		}
		about := buffer[8:n]
		content := int(about[0]&15) * 4
		if len(about) < content+8 {
			continue
		}
		own, port := binary.BigEndian.Uint16(about[content:]), binary.BigEndian.Uint16(about[content+2:])
		d.answer(net.IP(about[16:20]), port, own, sctpAnswer{err: syscall.EHOSTUNREACH})
	}
}

// Sends INIT until it is answered, by the other side or by somebody on the way who says that it is unreachable.
func reachSCTP(host string, port uint16, timeout time.Duration) (name string, err error) {
	to, err := net.ResolveIPAddr("ip4", host)
	if err != nil {
		return "", err
	}
	dialer, err := theSCTPDialer()
	if err != nil {
		return "", err
	}
	own, dial := dialer.add(to.IP, port)
	for range 4 {
		if _, err := dialer.packets.WriteTo(sctpPacket(own, port, 0, sctpInit, rand.Uint32()|1, ""), to); err != nil {
			return "", err
		}
		select {
		case answer := <-dial.answers:
			return answer.name, answer.err
		case <-time.After(timeout / 4):
		}
	}
	return "", fmt.Errorf("no answer within %s", timeout)
}
