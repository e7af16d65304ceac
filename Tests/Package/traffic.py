#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a peer of the tested host sends, and what it hears of it.

traffic.py flood DEVICE         UDP to port 9 of the host, IPv4 and IPv6 in turn, until killed
traffic.py echo ADDRESS PORT    a server that sends back what it gets, until killed
traffic.py talk ADDRESS PORT S  one connection for S seconds, a line every 20 ms; fails if one is not answered
traffic.py try ADDRESS PORT     whether a connection is accepted within a second
"""
import socket
import struct
import sys
import time

HOST_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
HOST4, PEER4 = "198.51.100.1", "198.51.100.2"
HOST6, PEER6 = "2001:db8::1", "2001:db8::2"


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagrams():
    payload = b"flood" * 4
    length = 8 + len(payload)
    source4, target4 = socket.inet_aton(PEER4), socket.inet_aton(HOST4)
    source6, target6 = (socket.inet_pton(socket.AF_INET6, text) for text in (PEER6, HOST6))
    # IPv4 may leave the checksum of UDP out.
    udp4 = struct.pack("!4H", 4000, 9, length, 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + source4 + target4
    ip4 = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    pseudo = source6 + target6 + struct.pack("!IHBB", length, 0, 0, 17)
    bare = struct.pack("!4H", 4000, 9, length, 0) + payload
    udp6 = bare[:6] + struct.pack("!H", checksum(pseudo + bare) or 0xFFFF) + payload
    ip6 = struct.pack("!IHBB", 6 << 28, length, 17, 64) + source6 + target6
    link = HOST_MAC + PEER_MAC
    return link + b"\x08\x00" + ip4 + udp4, link + b"\x86\xdd" + ip6 + udp6


def flood(device):
    frames = datagrams()
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0))
    while True:
        for _ in range(50):
            for frame in frames:
                try:
                    raw.send(frame)
                except OSError:
                    # The other end is down, or is being made anew.
                    time.sleep(0.0005)
        time.sleep(0.002)


def echo(address, port):
    server = socket.create_server((address, int(port)))
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def talk(address, port, seconds):
    with socket.create_connection((address, int(port)), timeout=2) as connection:
        connection.settimeout(2)
        print("ready", flush=True)
        end = time.monotonic() + float(seconds)
        count, longest = 0, 0.0
        while time.monotonic() < end:
            start = time.monotonic()
            line = b"line %8d\n" % count
            connection.sendall(line)
            heard = b""
            while len(heard) < len(line):
                heard += connection.recv(len(line) - len(heard)) or sys.exit("the connection was closed")
            if heard != line:
                sys.exit(f"sent {line!r}, heard {heard!r}")
            count, longest = count + 1, max(longest, time.monotonic() - start)
            time.sleep(0.02)
        print(f"{count} lines, the longest wait {longest * 1000:.0f} ms")


def attempt(address, port):
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
    except OSError:
        sys.exit(1)


if __name__ == "__main__":
    {"flood": flood, "echo": echo, "talk": talk, "try": attempt}[sys.argv[1]](*sys.argv[2:])
