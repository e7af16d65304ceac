// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

/// A router or host whose packets are watched: those that it delivers to itself, and those that leave it.
///
/// Each packet has a number, in IPv4's identification or IPv6's flow label, and a hop limit that the kernel's own
/// packets do not have. Watching chains behind every filter note the numbers that they see.
struct WatchedHost {
    static let hopLimit: UInt8 = 201
    static let ownHopLimit: UInt8 = 222

    let inside: Namespace
    let outside: Namespace
    private let devices: [String]
    private let sockets: [PacketSocket]

    /// - Parameter devices: its devices; the first leads to everywhere, each to a network of its own.
    init(_ lab: Lab, _ name: String, devices: [String]) throws {
        inside = try lab.namespace(name)
        outside = try lab.namespace(name + "-o")
        self.devices = devices
        for (index, device) in devices.enumerated() {
            try lab.veth((inside, device), (outside, "w\(index)"))
            try lab.address(inside, device, "198.18.\(index).1/24", "2001:db8:\(index)::1/64")
            // Without addresses to resolve, a packet to any destination leaves at once.
            try inside.run("ip", "link", "set", device, "arp", "off")
        }
        let settings =
            ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0"]
            + (["all", "default"] + devices).map { "net.ipv4.conf.\($0).rp_filter=0" }
        try inside.run(
            "sh", "-ec",
            """
            sysctl -q -w \(settings.joined(separator: " "))
            ip route add default via 198.18.0.2
            ip -6 route add default via 2001:db8:0::2
            """)
        let sets = """
            set v4 { typeof ip id; flags dynamic; size 65535; }
            set v6 { typeof ip6 flowlabel; flags dynamic; size 65535; }
            """
        try inside.run(
            "nft", "-f", "-",
            input: """
                table inet watch {
                \(sets)
                chain in { type filter hook input priority 500;
                  ip ttl \(Self.hopLimit) add @v4 { ip id }
                  ip6 hoplimit \(Self.hopLimit) add @v6 { ip6 flowlabel }
                  }
                }
                """)
        let hooks = devices.indices.map { index in
            """
            chain c\(index) { type filter hook ingress device "w\(index)" priority 0;
              ip ttl { \(Self.hopLimit - 1), \(Self.ownHopLimit) } add @v4 { ip id }
              ip6 hoplimit { \(Self.hopLimit - 1), \(Self.ownHopLimit) } add @v6 { ip6 flowlabel }
              }
            """
        }
        try outside.run(
            "nft", "-f", "-", input: "table netdev watch {\n\(sets)\n\(hooks.joined(separator: "\n"))\n}")
        let outside = outside
        sockets = try devices.indices.map { try PacketSocket(outside, "w\($0)") }
    }

    /// Sends packets, and returns the numbers of those that were delivered or left.
    func pass(_ probes: [ImportProbe]) throws -> Set<Int> {
        let macs = try devices.map { try inside.mac(of: $0) }
        for probe in probes {
            guard let device = probe.device else { continue }
            try sockets[device].send(Frame(probe.datagram.numbered(probe.number), to: macs[device]))
        }
        try sendOwn(probes.filter { $0.device == nil })
        let seen = try [(inside, "inet"), (outside, "netdev")].flatMap { namespace, family in
            try ["v4", "v6"].flatMap { try numbers(namespace, family, $0) }
        }
        return Set(seen)
    }

    private func numbers(_ namespace: Namespace, _ family: String, _ set: String) throws -> [Int] {
        let text = try namespace.run("nft", "-j", "list", "set", family, "watch", set)
        struct Answer: Decodable {
            struct Item: Decodable { var set: Members? }
            struct Members: Decodable { var elem: [Element]? }
            struct Element: Decodable {
                var value: Int
                init(from decoder: any Decoder) throws {
                    struct Wrapped: Decodable {
                        struct Inner: Decodable { var val: Int }
                        var elem: Inner
                    }
                    if let plain = try? decoder.singleValueContainer().decode(Int.self) {
                        value = plain
                    } else {
                        value = try Wrapped(from: decoder).elem.val
                    }
                }
            }
            var nftables: [Item]
        }
        let answer = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
        return answer.nftables.flatMap { ($0.set?.elem ?? []).map(\.value) }
    }

    /// What the host itself sends, through raw sockets, so that it passes the output.
    private func sendOwn(_ probes: [ImportProbe]) throws {
        let lines = probes.map { probe in
            var datagram = probe.datagram
            datagram.hopLimit = Self.ownHopLimit
            let bytes = datagram.numbered(probe.number).bytes
            return "\(probe.datagram.destination) " + bytes.map { String(format: "%02x", $0) }.joined()
        }
        let script = """
            import socket, sys
            four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            four.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
            for line in sys.stdin:
                to, data = line.split()
                try: (six if ":" in to else four).sendto(bytes.fromhex(data), (to, 0))
                except OSError: pass
            """
        if !lines.isEmpty {
            try inside.run("python3", "-c", script, input: lines.joined(separator: "\n") + "\n")
        }
    }
}

/// A packet for both hosts.
struct ImportProbe: Sendable {
    var number: Int
    /// The device that it comes in by; nil: the host itself sends it.
    var device: Int?
    var datagram: Datagram
    /// Whether it is an ordinary opening, which both judge by rules alone.
    var isOpening = true

    /// Whether it is for all hosts of a network of one of the devices.
    var isForNetwork: Bool {
        let destination = datagram.destination
        return destination.family == .v4 && destination.value >> 16 == 0xc612 && destination.value & 0xff == 0xff
    }
}

extension Datagram {
    /// The packet with a number that survives forwarding.
    fileprivate func numbered(_ number: Int) -> Numbered { Numbered(datagram: self, number: number) }

    fileprivate struct Numbered {
        var datagram: Datagram
        var number: Int

        var bytes: [UInt8] {
            var datagram = datagram
            datagram.identification = UInt32(number)
            var bytes = datagram.bytes
            if datagram.family == .v6 {
                bytes[1] = UInt8(number >> 16 & 15)
                bytes[2] = UInt8(number >> 8 & 255)
                bytes[3] = UInt8(number & 255)
            }
            return bytes
        }
    }
}

extension Frame {
    fileprivate init(_ numbered: Datagram.Numbered, to mac: MACAddress) {
        self.init(from: Frame.guest, to: mac, type: numbered.datagram.etherType, payload: numbered.bytes)
    }
}
