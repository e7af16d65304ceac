// SPDX-License-Identifier: Apache-2.0
import Import
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// Random files against a model of pve-firewall that is written from its documentation: what the policy accepts, the
/// files accept; where nothing was left out, the two agree.
@Suite struct ProxmoxLawTests {
    /// Words of a rule, and the packets that they mean.
    private struct Piece: Sendable {
        var text: String
        var matches: @Sendable (Packet) -> Bool

        init(_ text: String, _ matches: @escaping @Sendable (Packet) -> Bool) {
            self.text = text
            self.matches = matches
        }
    }

    private static func ends(_ option: String, _ end: @escaping @Sendable (Packet) -> IPAddress?) -> [Piece] {
        func within(_ text: String, _ members: [String], but others: [String] = []) -> Piece {
            let prefixes = members.compactMap { try? Prefix(parsing: $0) }
            let but = others.compactMap { try? Prefix(parsing: $0) }
            return Piece(" \(option) \(text)") { packet in
                guard let address = end(packet) else { return false }
                return prefixes.contains { $0.contains(address) } && !but.contains { $0.contains(address) }
            }
        }
        return [
            Piece("") { _ in true }, within("192.0.2.1", ["192.0.2.1"]), within("192.0.2.0/24", ["192.0.2.0/24"]),
            within("198.51.100.8-198.51.100.9", ["198.51.100.8/31"]), within("2001:db8::/64", ["2001:db8::/64"]),
            within("+admins", ["192.0.2.0/28", "2001:db8::/48"], but: ["192.0.2.1"]),
            within("office", ["198.51.100.8/29"]),
            within("+nested", ["198.51.100.0/29", "198.51.100.9"]),
            // It is in no file, so pve-firewall does not apply the rule.
            Piece(" \(option) +missing") { _ in false },
        ]
    }

    private static func ports(_ number: UInt8, _ ports: ClosedRange<UInt16>, _ packet: Packet) -> Bool {
        packet.ipProtocol == number && ports.contains(packet.destinationPort)
    }

    /// Macros, and what stands for one before the verdict.
    private static let macros: [Piece] = [
        Piece("SSH") { ports(6, 22...22, $0) }, Piece("DNS") { ports(6, 53...53, $0) || ports(17, 53...53, $0) },
        Piece("Ping") { ($0.ipProtocol == 1 && $0.type == 8) || ($0.ipProtocol == 58 && $0.type == 128) },
        Piece("DHCPv6") {
            $0.family == .v6 && ports(17, 546...547, $0) && (546...547).contains($0.sourcePort)
        },
        Piece("NoSuchMacro") { _ in false },
    ]
    private static let services: [Piece] = [
        Piece("") { _ in true }, Piece(" -p tcp") { $0.ipProtocol == 6 },
        Piece(" -p tcp -dport 22") { ports(6, 22...22, $0) },
        Piece(" -p udp -dport 53,540:550") { ports(17, 53...53, $0) || ports(17, 540...550, $0) },
        Piece(" -p udp -sport 546") { $0.ipProtocol == 17 && $0.sourcePort == 546 },
        Piece(" -p icmp") { $0.ipProtocol == 1 }, Piece(" -p icmp -dport 8") { $0.ipProtocol == 1 && $0.type == 8 },
        Piece(" -p icmpv6 -icmp-type packet-too-big") { $0.ipProtocol == 58 && $0.type == 2 },
        Piece(" -p gre") { $0.ipProtocol == 47 }, Piece(" -dport 22") { _ in false },
        // A condition that only a newer pve-firewall knows.
        Piece(" -p tcp -newer 1") { $0.ipProtocol == 6 && $0.destinationPort == 22 },
    ]

    private struct Line {
        var text: String
        var direction: Direction
        var verdict: Action
        var matches: @Sendable (Packet) -> Bool
    }

    private static func line(_ random: inout RandomNumbers) -> Line {
        let direction: Direction = random.once(in: 3) ? .out : .in
        let action = random.pick(["ACCEPT", "ACCEPT", "DROP", "REJECT"])
        let hasMacro = random.once(in: 3)
        let service = random.pick(hasMacro ? macros : services)
        let source = random.pick(ends("-source") { $0.source })
        let destination = random.once(in: 3) ? random.pick(ends("-dest") { $0.destination }) : Piece("") { _ in true }
        let isOff = random.once(in: 8)
        let head = hasMacro ? "\(service.text)(\(action))" : action
        let tail = hasMacro ? "" : service.text
        return Line(
            text:
                "\(isOff ? "|" : "")\(direction == .in ? "IN" : "OUT") \(head)\(source.text)\(destination.text)\(tail)",
            direction: direction, verdict: action == "ACCEPT" ? .accept : action == "DROP" ? .drop : .reject
        ) { packet in
            !isOff && service.matches(packet) && source.matches(packet) && destination.matches(packet)
        }
    }

    private static let packets: [Packet] = {
        let addresses: [(IPAddress, IPAddress)] = [
            ("192.0.2.1", "198.51.100.8"), ("192.0.2.2", "198.51.100.9"), ("192.0.2.16", "198.51.100.16"),
            ("198.51.100.0", "192.0.2.1"), ("198.51.100.9", "203.0.113.1"), ("198.51.100.8", "192.0.2.255"),
            ("203.0.113.66", "192.0.2.2"), ("224.0.0.5", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1"),
            ("2001:db8:0:1::1", "2001:db8::1"), ("2001:db8:1::1", "2001:db8::2"),
        ]
        let carried: [(UInt8, UInt16, UInt16, UInt8)] = [
            (6, 40000, 22, 0), (6, 40000, 23, 0), (6, 40000, 53, 0), (17, 40000, 53, 0), (17, 546, 547, 0),
            (17, 40000, 545, 0), (17, 68, 67, 0), (1, 0, 0, 8), (1, 0, 0, 13), (58, 0, 0, 128), (58, 0, 0, 2),
            (47, 0, 0, 0),
        ]
        return addresses.flatMap { source, destination in
            carried.compactMap { number, from, to, type in
                if number == 1 && source.family == .v6 || number == 58 && source.family == .v4 { return nil }
                var packet = Packet()
                (packet.source, packet.destination) = (source, destination)
                packet.etherType = source.family == .v4 ? 0x0800 : 0x86dd
                packet.ipProtocol = number
                packet.headers = [number]
                (packet.sourcePort, packet.destinationPort, packet.type) = (from, to, type)
                (packet.hasL4, packet.hopLimit) = (true, 64)
                packet.tcpFlags = number == 6 ? 2 : 0
                return packet
            }
        }
    }()

    /// What pve-firewall does at a guest's NIC with a packet that opens a connection.
    private static func expected(
        _ packet: Packet, _ direction: Direction, _ lines: [Line], policyIn: Action, policyOut: Action
    ) -> Action {
        if direction == .in {
            if packet.source == "203.0.113.66" || packet.source == "224.0.0.5" { return .drop }
        } else if packet.ipProtocol == 17 {
            let ports = (packet.sourcePort, packet.destinationPort)
            if packet.family == .v4 ? ports == (68, 67) : ports == (546, 547) { return .accept }
        }
        let line = lines.first { $0.direction == direction && $0.matches(packet) }
        return line?.verdict ?? (direction == .in ? policyIn : policyOut)
    }

    @Test(arguments: 1...150) func thePolicyAcceptsNothingMore(seed: Int) throws {
        var random = RandomNumbers(seed: UInt64(seed))
        func lines(_ most: Int) -> [Line] { (0..<random.number(0...most)).map { _ in Self.line(&random) } }
        let (before, group, after) = (lines(5), lines(3), lines(4))
        let policies: [(String, Action)] = [("DROP", .drop), ("REJECT", .reject), ("ACCEPT", .accept)]
        let (policyIn, policyOut) = (random.pick(policies), random.pick(policies))
        func text(_ lines: [Line]) -> String { lines.map { $0.text + "\n" }.joined() }
        let cluster =
            "[OPTIONS]\nenable: 1\n[ALIASES]\noffice 198.51.100.8/29\nlocal_network 192.0.2.0/24\n"
            + "[IPSET admins]\n192.0.2.0/28\n!192.0.2.1\n2001:db8::/48\n[IPSET blacklist]\n203.0.113.66\n"
            + "[IPSET nested]\n198.51.100.0/28\n!198.51.100.8/29\n198.51.100.9\n[group common]\n" + text(group)
        let guest =
            "[OPTIONS]\nenable: 1\npolicy_in: \(policyIn.0)\npolicy_out: \(policyOut.0)\n[RULES]\n"
            + text(before) + "GROUP common\n" + text(after)
        let imported = try Imported(
            .proxmox,
            [
                "cluster.fw": cluster, "100.fw": guest, "corosync.conf": "",
                "100.conf": "net0: virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1\n",
            ], devices: ["vmbr0", "tap100i0"])
        try #require(imported.errors == [], "\(imported.policy.text)")
        let ruleset = try #require(imported.loaded.ruleset)
        let evaluator = ReferenceEvaluator(ruleset)
        let entry = try #require(ruleset.entries.firstIndex { $0.name == "vm-100" })
        let all = before + group + after
        let isWhole = imported.policy.isComplete
        for packet in Self.packets {
            for direction in [Direction.in, .out] {
                let wanted = Self.expected(
                    packet, direction, all, policyIn: policyIn.1, policyOut: policyOut.1)
                let found = evaluator.judgeByRules(
                    packet, entry: entry, direction: direction, isMember: { _, _ in false }, holds: { _ in true }
                ).verdict
                if found == .accept || isWhole {
                    #expect(found == wanted, "\(packet) \(direction)\n\(guest)\(cluster)\n\(imported.policy.text)")
                }
            }
        }
    }
}
