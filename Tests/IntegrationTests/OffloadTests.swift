// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

/// A host's bridge with the taps of two guests. One leaves checksums and segmentation to the host, the other receives
/// frames as they are on a wire.
final class TapSite: Sendable {
    let lab: Lab
    let host: Namespace
    let sender: Tap
    let receiver: Tap
    let bulkhead: Bulkhead

    static func sender(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.1" : "2001:db8:1::1" }
    static func receiver(_ family: AddressFamily) -> IPAddress { family == .v4 ? "198.51.100.2" : "2001:db8:1::2" }

    /// - Parameter receiverOffloads: Whether the second guest, too, accepts frames with work left to do.
    init(receiverOffloads: Bool = false) throws {
        lab = try Lab()
        host = try lab.namespace("host")
        sender = try Tap(host, "vm-a", offloads: true)
        receiver = try Tap(host, "vm-b", offloads: receiverOffloads)
        try host.run("sh", "-ec", "ip link set vm-a up; ip link set vm-b up")
        try lab.bridge(host, "br0", ports: ["vm-a", "vm-b"])
        for (device, mac) in [("vm-a", Frame.guest), ("vm-b", Frame.peer)] {
            try host.run("bridge", "fdb", "replace", "\(mac)", "dev", device, "master", "static")
        }
        bulkhead = Bulkhead(lab, in: host)
    }

    /// Holds the sender to its identity, and lets it send DNS queries, web requests and echo requests.
    func apply() throws {
        let addresses = AddressFamily.allCases.map { "\"\(Self.sender($0))\"" }.joined(separator: ", ")
        let policy = try lab.file(
            "policy.yaml",
            """
            version: 1
            ports:
              a: { interface: vm-a, protects: workload, mac: \(Frame.guest), addresses: [\(addresses)] }
              b: { interface: vm-b, protects: workload, guard: off }
            defaults: { in: accept, out: drop }
            rules:
              - { name: names, service: [udp/53, udp/4789], action: accept }
              - { name: web, service: tcp/80, action: accept }
              - { name: diameter, service: sctp/3868, action: accept }
              - { name: ping, service: ping, action: accept }
              - { name: experiment, service: ethertype/0x88b5, action: accept }
            """)
        try bulkhead.apply(policy)
    }

    /// Sends a frame, and returns what the second guest receives.
    func pass(_ frame: Frame, _ offload: Offload) throws -> [Frame] {
        // The kernel itself refuses some of them.
        do throws(SocketFailure) { try sender.send(frame, offload) } catch  where error.errno == EINVAL { return [] }
        return try frames()
    }

    /// What the second guest has received; a last frame, which the policy passes, follows on the same path.
    private func frames() throws -> [Frame] {
        let last = Frame(
            Datagram(Self.sender(.v4), Self.receiver(.v4), .udp(9, 53, payload: Array("the last".utf8))))
        try sender.send(last)
        return try #require(try receiver.receiveAll(upTo: last), "the last frame did not come")
    }
}

/// A frame that a policy passes, and that turns into one it would not pass when the kernel does the work left to it.
struct OffloadAttack: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var frame: Frame
    var offload: Offload
    /// What the frame turns into if the kernel writes the field that the sender names.
    var becomes: Frame?
    var reason = "malformed"

    /// - Parameters:
    ///   - start: Where the checksum starts.
    ///   - place: Where the checksum is written.
    ///   - value: The value that is written then.
    ///   - balance: Where two meaningless bytes are that make the checksum come out so.
    init(
        _ description: String, _ frame: Frame, start: Int, place: Int, value: UInt16, balance: Int,
        gso: (kind: Offload.Kind, size: Int)? = nil
    ) {
        testDescription = description
        var sent = frame
        var sum: UInt32 = 0
        for index in stride(from: start, to: frame.bytes.count, by: 2) where index != balance {
            sum += UInt32(frame.bytes[index]) << 8
            sum += index + 1 < frame.bytes.count ? UInt32(frame.bytes[index + 1]) : 0
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        // The complement of the sum is written, so the balance is the missing difference.
        let wanted = UInt32(~value)
        let missing = (wanted + 0xffff - sum) % 0xffff
        sent = sent.with(balance, UInt8(missing >> 8), UInt8(missing & 0xff))
        self.frame = sent
        let checksum = (start: start, offset: place - start)
        offload = gso.map { Offload(checksum: checksum, $0.kind, size: $0.size) } ?? Offload(checksum: checksum)
        if gso == nil { becomes = sent.with(place, UInt8(value >> 8), UInt8(value & 0xff)) }
    }

    init(_ description: String, _ frame: Frame, _ offload: Offload) {
        testDescription = description
        self.frame = frame
        self.offload = offload
    }

    private static let payload = [UInt8](repeating: 0, count: 64)

    static func frame(_ family: AddressFamily, _ segment: Segment, _ change: (inout Datagram) -> Void = { _ in })
        -> Frame
    { Frame(Datagram(TapSite.sender(family), TapSite.receiver(family), segment, change)) }

    /// The offset of the transport header.
    static func transport(_ family: AddressFamily) -> Int { 14 + (family == .v4 ? 20 : 40) }

    /// Frames in which the kernel writes the checksum over something that was judged.
    static let rewriting: [OffloadAttack] =
        AddressFamily.allCases.flatMap { family -> [OffloadAttack] in
            let l4 = transport(family)
            let udp = frame(family, .udp(40000, 53, payload: payload))
            let tcp = frame(family, .tcp(40000, 80, payload: payload))
            let sctp = frame(family, .sctp(40000, 3868, chunks: payload))
            let echo = frame(
                family,
                family == .v4 ? .icmp(body: [0, 1, 0, 1] + payload) : .icmpv6(body: [0, 1, 0, 1] + payload))
            let balance = l4 + 40
            return [
                .init(
                    "\(family) UDP to port 53 becomes 22", udp, start: l4, place: l4 + 2, value: 22, balance: balance),
                .init(
                    "\(family) the source becomes another guest's", udp, start: 22,
                    place: family == .v4 ? 28 : 36, value: family == .v4 ? 100 << 8 | 3 : 3, balance: balance),
                .init(
                    "\(family) UDP becomes TCP", udp, start: 20, place: family == .v4 ? 22 : 20,
                    value: family == .v4 ? 64 << 8 | 6 : 6 << 8 | 64, balance: balance),
                .init("\(family) UDP's length", udp, start: l4, place: l4 + 4, value: 8, balance: balance),
                .init("\(family) the payload of UDP", udp, start: l4 + 8, place: l4 + 20, value: 7, balance: balance),
                .init(
                    "\(family) TCP to port 80 becomes 22", tcp, start: l4, place: l4 + 2, value: 22, balance: balance),
                .init("\(family) TCP's flags", tcp, start: l4, place: l4 + 12, value: 0x5004, balance: balance),
                .init(
                    "\(family) TCP's field from another start", tcp, start: l4 + 2, place: l4 + 16, value: 7,
                    balance: balance),
                .init(
                    "\(family) SCTP to port 3868 becomes 22", sctp, start: l4, place: l4 + 2, value: 22,
                    balance: balance),
                .init("\(family) SCTP's tag", sctp, start: l4, place: l4 + 4, value: 7, balance: balance),
                .init(
                    "\(family) SCTP's field from another start", sctp, start: l4 + 4, place: l4 + 8, value: 7,
                    balance: balance),
                .init("\(family) TCP's field in SCTP", sctp, start: l4, place: l4 + 16, value: 7, balance: balance),
                .init("\(family) UDP's field in SCTP", sctp, start: l4, place: l4 + 6, value: 7, balance: balance),
                .init(
                    "\(family) an echo request becomes another message", echo, start: l4, place: l4,
                    value: family == .v4 ? 0x0500 : 0x8600, balance: balance),
                .init(
                    "\(family) ICMP's own checksum, which no host leaves to others", echo, start: l4, place: l4 + 2,
                    value: 7, balance: balance),
            ]
        } + [
            .init(
                "ARP names another guest's address",
                Frame.arp(operation: 2, sender: TapSite.sender(.v4), target: TapSite.receiver(.v4)).padded(to: 60)
                    .with(0, Frame.peer.bytes),
                start: 26, place: 30, value: 100 << 8 | 3, balance: 50),
            .init(
                "neighbour discovery names another MAC address",
                frame(
                    .v6, .icmpv6(136, body: [0x60, 0, 0, 0] + TapSite.sender(.v6).bytes + [2, 1] + Frame.guest.bytes)
                ) {
                    $0.hopLimit = 255
                }, start: 54, place: 54 + 30, value: 9, balance: 60),
        ]

    /// Frames with other work left to the kernel, on which nothing judged may depend.
    static let refused: [OffloadAttack] =
        AddressFamily.allCases.flatMap { family -> [OffloadAttack] in
            let l4 = transport(family)
            let bulk = [UInt8](repeating: 7, count: 600)
            let tcp = frame(family, .tcp(40000, 80, payload: bulk))
            let udp = frame(family, .udp(40000, 53, payload: bulk))
            let kind: Offload.Kind = family == .v4 ? .tcp4 : .tcp6
            let first = frame(family, .udp(40000, 53, payload: bulk)) { $0.fragment = .first }
            let part = frame(family, .sctp(40000, 3868, chunks: Array(bulk.prefix(596)))) { $0.fragment = .first }
            return [
                .init(
                    "\(family) a super-packet's segments write port 22", tcp, start: l4 - 14, place: l4 + 2, value: 22,
                    balance: l4 + 40, gso: (kind, 100)),
                .init("\(family) TCP's type on UDP", udp, Offload(kind, size: 100)),
                .init("\(family) UDP's type on TCP", tcp, Offload(.fragments, size: 104)),
                .init("\(family) the other family's type", tcp, Offload(family == .v4 ? .tcp6 : .tcp4, size: 100)),
                .init(
                    "\(family) fragments too small for the header", udp, Offload(checksum: (l4, 6), .fragments, size: 4)
                ),
                .init(
                    "\(family) fragments whose places are not whole", udp,
                    Offload(checksum: (l4, 6), .fragments, size: 100)),
                .init(
                    "\(family) a fragment with a partial checksum", first,
                    Offload(checksum: (l4 + (family == .v4 ? 0 : 8), 6))),
                .init(
                    "\(family) a fragment of SCTP with a partial checksum", part,
                    Offload(checksum: (l4 + (family == .v4 ? 0 : 8), 8))),
                .init("\(family) a fragment that is to become fragments", first, Offload(.fragments, size: 104)),
            ]
        }
}

extension Integration {
    /// What a guest leaves to the host (virtio header, PACKET_VNET_HDR, PACKET_TX_RING) does not change anything that
    /// was judged.
    @Suite(.serialized) struct OffloadTests {
        /// Without a policy the attack works. With a policy that passes the frame as it is, it is refused because of
        /// the work that it leaves.
        @Test func noChecksumIsWrittenIntoWhatWasJudged() throws {
            let site = try TapSite()
            for attack in OffloadAttack.rewriting {
                let became = try site.pass(attack.frame, attack.offload)
                #expect(became == [try #require(attack.becomes)], "\(attack.testDescription)")
            }
            try site.apply()
            for attack in OffloadAttack.rewriting {
                #expect(try site.pass(attack.frame, attack.offload) == [], "\(attack.testDescription)")
            }
            try Self.expectMalformed(site, OffloadAttack.rewriting.count)
            for attack in OffloadAttack.rewriting {
                #expect(try site.pass(attack.frame, Offload()) == [attack.frame], "\(attack.testDescription), plain")
            }
        }

        @Test func aSuperPacketIsWhatItSays() throws {
            let site = try TapSite()
            try site.apply()
            var count = 0
            for attack in OffloadAttack.refused {
                #expect(try site.pass(attack.frame, attack.offload) == [], "\(attack.testDescription)")
                count += 1
                let malformed = try site.bulkhead.counters().port("a", "out").reasons["malformed"] ?? 0
                #expect(malformed >= count, "\(attack.testDescription): \(malformed)")
                count = malformed
            }
        }

        /// A super-packet is cut up to the end of its frame. What is behind the datagram would become its payload, and
        /// a packet that is accepted for its length a long one.
        @Test(arguments: AddressFamily.allCases) func nothingBehindADatagramBecomesItsPayload(family: AddressFamily)
            throws
        {
            let site = try TapSite()
            // br_netfilter would trim what crosses the bridge.
            try site.host.run(
                "sh", "-ec",
                """
                for name in arptables iptables ip6tables; do
                    setting=/proc/sys/net/bridge/bridge-nf-call-$name
                    ! test -e $setting || echo 0 > $setting
                done
                """)
            let l4 = OffloadAttack.transport(family)
            let tail = [UInt8](repeating: 7, count: 600)
            let attacks: [(Segment, Offload)] = [
                (.tcp(40000, 80), Offload(checksum: (l4, 16), family == .v4 ? .tcp4 : .tcp6, size: 100)),
                (.udp(40000, 53), Offload(checksum: (l4, 6), .fragments, size: 104)),
            ]
            func pass(_ attack: (Segment, Offload)) throws -> [Frame] {
                try site.pass(Frame(bytes: OffloadAttack.frame(family, attack.0).bytes + tail), attack.1)
            }
            for attack in attacks {
                let payload = try pass(attack).flatMap { $0.bytes.dropFirst(l4) }.count { $0 == 7 }
                #expect(payload >= tail.count, "\(attack.0.number)")
            }
            try site.apply()
            for attack in attacks { #expect(try pass(attack) == [], "\(attack.0.number)") }
            // Each counts as what would have come of it.
            #expect(Set(try site.bulkhead.counters().port("a", "out").reasons.keys) == ["malformed"])
        }

        /// The work that honest guests leave to the host is accepted and done.
        @Test(arguments: AddressFamily.allCases) func honestOffloadsPass(family: AddressFamily) throws {
            let site = try TapSite()
            try site.apply()
            let l4 = OffloadAttack.transport(family)
            let bulk = (0..<600).map { UInt8(truncatingIfNeeded: $0) }
            for segment in [Segment.udp(40000, 53, payload: bulk), .tcp(40000, 80, payload: bulk)] {
                let whole = OffloadAttack.frame(family, segment)
                let offset = segment.number == 6 ? 16 : 6
                // The field holds the pseudo header's sum, which is the true checksum without the rest.
                let frame = Self.unfinished(whole, l4, offset)
                #expect(try site.pass(frame, Offload(checksum: (l4, offset))) == [whole], "\(segment.number)")
            }
            let tcp = OffloadAttack.frame(family, .tcp(40000, 80, payload: bulk))
            let kind: Offload.Kind = family == .v4 ? .tcp4 : .tcp6
            let cut = try site.pass(
                Self.unfinished(tcp, l4, 16), Offload(checksum: (l4, 16), kind, size: 100, headers: l4 + 20))
            #expect(cut.flatMap { $0.bytes.dropFirst(l4 + 20) } == bulk && cut.count == 6)
            let udp = OffloadAttack.frame(family, .udp(40000, 53, payload: bulk))
            let datagrams = try site.pass(
                Self.unfinished(udp, l4, 6), Offload(checksum: (l4, 6), .datagrams, size: 100, headers: l4 + 8))
            let cuts = try site.sender.knowsDatagrams()
            #expect(datagrams.flatMap { $0.bytes.dropFirst(l4 + 8) } == (cuts ? bulk : []))
            #expect(datagrams.count == (cuts ? 6 : 0))
            let fragments = try site.pass(
                Self.unfinished(udp, l4, 6), Offload(checksum: (l4, 6), .fragments, size: 200, headers: l4 + 8))
            #expect(fragments.count == 4)
            // A vnet header cannot say that the sum is a CRC-32C, so SCTP's checksum comes out wrong, and nothing else.
            let sctp = OffloadAttack.frame(family, .sctp(40000, 3868, chunks: bulk))
            let summed = try site.pass(sctp, Offload(checksum: (l4, 8)))
            #expect(summed.map { $0.with(l4 + 8, 0, 0, 0, 0) } == [sctp.with(l4 + 8, 0, 0, 0, 0)])
            let other = Frame(type: 0x88b5, payload: bulk)
            #expect(try site.pass(other, Offload()) == [other])
            #expect(try site.bulkhead.counters().port("a", "out").dropped.packets == 0)
        }

        /// A container's packet socket leaves the same work to the host as a guest's tap.
        @Test func aPacketSocketIsHeldToTheSame() throws {
            let site = try BridgeSite()
            // The last device writes checksums, so that what arrives is what would be on a wire.
            try site.host.run("ethtool", "-K", "vm-b", "tx", "off")
            let mac = try site.b.mac(of: "eth0")
            let sender = try PacketSocket(site.a, "eth0")
            let receiver = try PacketSocket(site.b, "eth0")
            try sender.takeOffloads()
            let attacks = OffloadAttack.rewriting.filter { !$0.testDescription.contains("names") }
            func pass(_ attack: OffloadAttack) throws -> [Frame] {
                try sender.send(attack.frame.with(0, mac.bytes), attack.offload)
                return try receiver.receiveAll()
            }
            for attack in attacks {
                let expected = try #require(attack.becomes).with(0, mac.bytes)
                #expect(try pass(attack) == [expected], "\(attack.testDescription)")
            }
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload, guard: off }
                defaults: { in: accept, out: accept }
                """)
            try site.bulkhead.apply(policy)
            for attack in attacks { #expect(try pass(attack) == [], "\(attack.testDescription)") }
            #expect(try site.bulkhead.counters().port("a", "out").reasons["malformed"] == attacks.count)
        }

        /// A container that forwards packets may merge them into a list and change only the first one's headers, here
        /// its hop limit. Such a list is refused from a workload; what the kernel merges from a NIC's packets passes.
        @Test(arguments: ["workload", "host"]) func aListOfPackets(protects: String) throws {
            let lab = try Lab()
            let (far, box, host) = try (lab.namespace("far"), lab.namespace("box"), lab.namespace("host"))
            try lab.veth((far, "x0"), (box, "x1"))
            try lab.veth((box, "eth0"), (host, "vg"))
            try lab.address(box, "x1", "203.0.113.1/24")
            try lab.address(box, "eth0", "198.51.100.1/24")
            let tap = try Tap(host, "vm-b", offloads: false)
            try host.run("sh", "-ec", "ip link set vg up; ip link set vm-b up")
            try lab.bridge(host, "br0", ports: ["vg", "vm-b"])
            try host.run("bridge", "fdb", "replace", "\(Frame.peer)", "dev", "vm-b", "master", "static")
            try box.run(
                "sh", "-ec",
                """
                echo 1 > /proc/sys/net/ipv4/ip_forward
                ip neigh replace 198.51.100.2 lladdr \(Frame.peer) dev eth0
                ethtool -K x1 gro on rx-gro-list on
                """)
            // The device gets five datagrams at once, and the next one merges them.
            try far.run("ethtool", "-K", "x0", "gso", "off", "tx-udp-segmentation", "off")
            try lab.address(far, "x0", "203.0.113.9/24")
            try far.run("ip", "route", "add", "198.51.100.0/24", "via", "203.0.113.1")
            let target: IPAddress = "198.51.100.2"
            let sender = try IPSocket.connected(far, .udp, target, 53)
            try sender.cutDatagrams(size: 100)
            let payload = [UInt8](repeating: 7, count: 500)
            let direct = try PacketSocket(box, "eth0")
            let last = Frame(Datagram("198.51.100.1", target, .udp(9, 9)), to: Frame.peer)
            let mac = try box.mac(of: "eth0")
            func arrive() throws -> Int {
                try sender.send(payload)
                try direct.send(last)
                let frames = try #require(try tap.receiveAll(from: mac, upTo: last))
                return frames.count { $0.bytes.count == 14 + 28 + 100 }
            }
            #expect(try arrive() == 5)
            let bulkhead = Bulkhead(lab, in: host)
            try bulkhead.apply(
                try lab.file(
                    "policy.yaml",
                    """
                    version: 1
                    ports:
                      a: { interface: vg, protects: \(protects), mode: tc\(protects == "host" ? "" : ", guard: off") }
                    defaults: { in: accept, out: accept }
                    """))
            #expect(try arrive() == (protects == "host" ? 5 : 0))
            let direction = protects == "host" ? "in" : "out"
            let malformed = try bulkhead.counters().port("a", direction).reasons["malformed"] ?? 0
            #expect(protects == "host" ? malformed == 0 : malformed > 0)
        }

        /// A sender that keeps writing to a packet cannot change its headers after they were judged. Here it is a
        /// container whose macvlan passes the memory of its packet socket to the host's device.
        @Test func whatIsJudgedIsNoLongerTheSenders() throws {
            let site = try UplinkSite()
            let container = try site.lab.namespace("c")
            try site.host.run(
                "ip", "link", "add", "link", "up0", "name", "mv0", "netns", container.path, "type", "macvlan", "mode",
                "private")
            try container.run("ip", "link", "set", "mv0", "up")
            // A judged packet waits for its turn, as on any busy device.
            try site.host.run(
                "tc", "qdisc", "add", "dev", "up0", "root", "tbf", "rate", "100mbit", "burst", "1600", "limit", "100000"
            )
            try site.bulkhead.apply(
                try site.policy(
                    "  - { name: names, service: udp/53, action: accept }", port: "defaults: { in: accept, out: drop }")
            )
            let receiver = try PacketSocket(site.network, "net0")
            let frame = OffloadAttack.frame(.v4, .udp(40000, 53, payload: [UInt8](repeating: 1, count: 64)))
                .with(0, try site.network.mac(of: "net0").bytes)
            let place = OffloadAttack.transport(.v4) + 2
            let racing = Background { _ in
                try PacketSocket.race(container, "mv0", frame, place: place, other: 22, turns: 1 << 12)
                return 0
            }
            var arrived = 0
            var denied = 0
            while let got = try receiver.receiveFrame(milliseconds: 1000) {
                guard Array(got.bytes.dropFirst(6).prefix(6)) == Frame.guest.bytes else { continue }
                arrived += 1
                if got.bytes[place + 1] != 53 { denied += 1 }
            }
            _ = try racing.value()
            #expect(denied == 0, "of \(arrived) that arrived")
            let port = try site.bulkhead.counters().port("uplink", "out")
            // Both values were sent; each packet was judged by the value that it had then.
            #expect(port.accepted.packets > 0 && port.reasons["default"] ?? 0 > 0, "\(port)")
            #expect(arrived > 0)
        }

        /// A tunnel inside a guest leaves the inner checksum and the inner segmentation to the host.
        @Test func aTunnelInAGuestIsLeftAlone() throws {
            let site = try BridgeSite()
            for (namespace, own, other) in [(site.a, 1, 2), (site.b, 2, 1)] {
                try namespace.run(
                    "ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "dstport", "4789", "local",
                    "198.51.100.\(own)", "remote", "198.51.100.\(other)")
                try namespace.run("ip", "link", "set", "vx0", "up")
                try site.lab.address(namespace, "vx0", "203.0.113.\(own)/24")
            }
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload }
                  b: { interface: vm-b, protects: workload }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: tunnel, service: udp/4789, action: accept }
                """)
            try site.bulkhead.apply(policy)
            let server = try IPSocket.bound(site.b, .tcp, "203.0.113.2", 5001)
            let client = try IPSocket.connected(site.a, .tcp, "203.0.113.2", 5001)
            let session = try server.accept()
            let total = 8 << 20
            #expect(try client.transfer(total, to: session) == total)
            let counters = try site.bulkhead.counters()
            #expect(counters.ports.map(\.dropped.packets) == [0, 0, 0, 0], "\(counters.ports)")
        }

        private static func expectMalformed(_ site: TapSite, _ count: Int) throws {
            let port = try site.bulkhead.counters().port("a", "out")
            #expect(port.reasons == ["malformed": count], "\(port)")
        }

        /// The frame with a partial checksum instead of the true one: the pseudo header's sum.
        private static func unfinished(_ frame: Frame, _ l4: Int, _ offset: Int) -> Frame {
            let bytes = frame.bytes
            var sum: UInt32 = UInt32(bytes[l4 == 34 ? 23 : 20]) + UInt32(bytes.count - l4)
            for index in stride(from: l4 == 34 ? 26 : 22, to: l4, by: 2) {
                sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
            }
            while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
            return frame.with(l4 + offset, UInt8(sum >> 8), UInt8(sum & 0xff))
        }
    }
}
