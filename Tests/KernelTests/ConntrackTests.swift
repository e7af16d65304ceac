// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// The segments of ``TCPTests`` through Bulkhead, and through the kernel's own connection tracking as a namespace
    /// forwards them. `docs/tcp.md` must name every difference, and nothing else.
    @Suite struct ConntrackTests {
        /// The table holds for one kernel; older ones track differently.
        private static var isMeant: Bool {
            let release = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
            let numbers = release.split { $0 == "." || $0 == "-" }.prefix(2).compactMap { Int($0) }
            return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 18)
        }

        @Test(.enabled(if: isMeant, "docs/tcp.md describes Linux 6.18 and later"))
        func differsWhereTheDocumentSaysSo() throws {
            var found: Set<String> = []
            for isStrict in [true, false] {
                let network = try ConntrackNetwork(isLiberal: !isStrict)
                var port: UInt16 = 20000
                for row in TCPTests.cases {
                    var differences: [Set<String>] = []
                    for (client, server) in Self.initials {
                        port += 1
                        let talk = TCPTests.Talk(
                            family: .v4, client: client, server: server, isStrict: isStrict, port: port)
                        differences.append(try compare(row, talk, network))
                    }
                    #expect(differences.allSatisfy { $0 == differences[0] }, "\(row.name): the initial numbers matter")
                    found.formUnion(differences.joined())
                }
            }
            let documented = try Self.documented()
            let (missing, excess) = (found.subtracting(documented), documented.subtracting(found))
            #expect(missing.isEmpty, "to be explained in docs/tcp.md:\n\(missing.sorted().joined(separator: "\n"))")
            #expect(excess.isEmpty, "in docs/tcp.md, and not so:\n\(excess.sorted().joined(separator: "\n"))")
        }

        private static let initials: [(UInt32, UInt32)] = [(1000, 5000), (0x7fff_ffff, 0x8000_0000), (0xffff_ffff, 0)]

        /// The first four cells of the table's rows.
        private static func documented() throws -> Set<String> {
            let path = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../docs/tcp.md"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let cells = text.split(separator: "\n").map { line in
                line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            }
            return Set(
                cells.filter { $0.count == 5 && ["strict", "liberal"].contains($0[1]) }.map {
                    "| " + $0.prefix(4).joined(separator: " | ") + " |"
                })
        }

        /// The steps of a row that only one of the two lets pass, up to the first step at which time passes: the
        /// kernel's clock cannot be set.
        private func compare(
            _ row: TCPTests.Row, _ talk: TCPTests.Talk, _ network: ConntrackNetwork
        ) throws -> Set<String> {
            var differences: [Difference] = []
            let script = row.script(talk)
            var records: [String: Int] = [:]
            try network.adopt(row.adopts)
            try FlowSimulator.use(FlowScript.compile(script.policy, &records), adopts: script.adopts) { simulator in
                for (number, step) in script.steps.enumerated() {
                    if case .pass = step { break }
                    guard case .frame(let frame, _, let direction, _) = step, let record = records["web"] else {
                        continue
                    }
                    let own = try simulator.judge(frame: frame.bytes, portRecord: record, direction: direction)
                    let other = try network.judge(frame, direction)
                    let passes = own.verdict == .accept
                    guard passes != (other == "established" || other == "new") else { continue }
                    let verdicts = "\(own.verdict) \(own.reason?.rawValue ?? "-") | \(other)"
                    differences.append(Difference(steps: (number + 1)...(number + 1), verdicts: verdicts))
                }
            }
            let mode = talk.isStrict ? "strict" : "liberal"
            return Set(Self.joined(differences).map { "| \(row.name), \($0.words) | \(mode) | \($0.verdicts) |" })
        }

        /// Steps that follow each other and differ alike.
        private struct Difference {
            var steps: ClosedRange<Int>
            /// Bulkhead's, then the kernel's.
            var verdicts: String

            var words: String {
                steps.count == 1 ? "\(steps.lowerBound)" : "\(steps.lowerBound) to \(steps.upperBound)"
            }
        }

        /// Runs of more than ten steps as one difference each, so that a long transfer takes one line of the document.
        private static func joined(_ differences: [Difference]) -> [Difference] {
            var runs: [[Difference]] = []
            for difference in differences {
                if let last = runs.last?.last, last.verdicts == difference.verdicts,
                    last.steps.upperBound + 1 == difference.steps.lowerBound
                {
                    runs[runs.count - 1].append(difference)
                } else {
                    runs.append([difference])
                }
            }
            return runs.flatMap { run -> [Difference] in
                guard run.count > 10, let first = run.first, let last = run.last else { return run }
                return [
                    Difference(steps: first.steps.lowerBound...last.steps.upperBound, verdicts: first.verdicts)
                ]
            }
        }
    }
}

/// A router that tracks connections, between two veth pairs. It forwards every packet, and marks its header with the
/// state that conntrack gave it.
final class ConntrackNetwork {
    private let lab: Lab
    private let router: Namespace
    private let outside: PacketSocket
    private let inside: PacketSocket

    init(isLiberal: Bool) throws {
        lab = try Lab()
        router = try lab.namespace("router")
        let (client, server) = (try lab.namespace("client"), try lab.namespace("server"))
        try lab.veth((client, "c0"), (router, "c1"))
        try lab.veth((server, "s0"), (router, "s1"))
        try lab.address(router, "c1", "198.51.100.1/24")
        try lab.address(router, "s1", "192.0.2.1/24")
        let file = try lab.file("conntrack.nft", Self.rules)
        try router.run("nft", "-f", file)
        try router.run(
            "sh", "-ec",
            """
            ip link set c1 address 52:54:00:00:00:02
            ip link set s1 address 52:54:00:00:00:02
            ip neigh add 198.51.100.7 lladdr 52:54:00:00:00:09 dev c1
            ip neigh add 192.0.2.80 lladdr 52:54:00:00:00:09 dev s1
            echo 1 > /proc/sys/net/ipv4/ip_forward
            echo \(isLiberal ? 1 : 0) > /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal
            """)
        outside = try PacketSocket(client, "c0")
        inside = try PacketSocket(server, "s0")
    }

    private static let rules = """
        table ip judge {
            chain early {
                type filter hook prerouting priority raw
                udp dport 9 notrack
            }
            chain forward {
                type filter hook forward priority filter; policy drop
                udp dport 9 accept
                ct state invalid ip dscp set 3 accept
                ct state established ip dscp set 1 accept
                ct state new iifname "c1" ip dscp set 2 accept
            }
        }
        """

    private static let words = [1: "established", 2: "new", 3: "invalid"]

    /// Whether it picks up a connection in the middle.
    func adopt(_ adopts: Bool) throws {
        try router.run("sh", "-ec", "echo \(adopts ? 1 : 0) > /proc/sys/net/netfilter/nf_conntrack_tcp_loose")
    }

    /// The state that it gives the packet; `denied`: a new connection from within.
    func judge(_ frame: Frame, _ direction: Direction) throws -> String {
        let (from, to) = direction == .in ? (outside, inside) : (inside, outside)
        try from.send(frame)
        // Packets stay in order, so a later one that has arrived shows that this one is lost.
        let (source, destination) = (Ends.client(.v4), Ends.server(.v4))
        let ends = direction == .in ? (source, destination) : (destination, source)
        try from.send(Frame(Datagram(ends.0, ends.1, .udp(9, 9))))
        var said = "denied"
        while let seen = try to.receiveFrame(milliseconds: 2000) {
            let bytes = seen.bytes
            guard bytes.count > 34, bytes[12] == 8, bytes[13] == 0 else { continue }
            if bytes[23] == 17 { return said }
            said = Self.words[Int(bytes[15] >> 2)] ?? "?"
        }
        Issue.record("the router forwards nothing")
        return "?"
    }
}
