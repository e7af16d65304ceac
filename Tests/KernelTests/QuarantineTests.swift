// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// A port in quarantine, with packets that nothing else would drop.
    @Suite struct QuarantineTests {
        private static let policy = """
            version: 1
            ports:
              nic: { interface: nic0, protects: host, vlans: [0, 7] }
              any: { interface: nic1, protects: host }
              guest: { interface: tap0, protects: workload }
            defaults: { in: accept, out: accept }
            """

        @Test func nothingPassesInEitherDirection() throws {
            let simulation = try Simulation(policy: Self.policy)
            let arp = Frame(type: 0x0806, payload: [0, 1, 8, 0, 6, 4, 0, 1] + [UInt8](repeating: 1, count: 20))
            let frames =
                AddressFamily.allCases.map { Ends.frame($0, .tcp(40000, 80)) } + [
                    arp, Ends.frame(.v6, .icmpv6(135, 0, body: [UInt8](repeating: 0, count: 20))) { $0.hopLimit = 255 },
                ]
            for name in ["nic", "any", "guest"] {
                let port = try #require(simulation.binding(name))
                for (frame, direction) in frames.flatMap({ frame in Direction.allCases.map { (frame, $0) } }) {
                    var probe = Simulation.Probe(frame, direction)
                    #expect(try simulation.judge(probe, at: port).verdict == .accept)
                    probe.isQuarantined = true
                    #expect(
                        try simulation.judge(probe, at: port) == .drop(.quarantine), "\(name) \(direction): \(frame)")
                }
            }
        }

        /// XDP drops what tc would drop, unless that depends on a tag that XDP may not see.
        @Test func theEarlyPathIsCutOffToo() throws {
            let simulation = try Simulation(policy: Self.policy)
            var probe = Simulation.Probe(Ends.frame(.v4, .tcp(40000, 80)), .in)
            probe.isQuarantined = true
            #expect(try simulation.judgeEarly(probe, at: try #require(simulation.binding("any"))) == .drop(.quarantine))
            #expect(try simulation.judgeEarly(probe, at: try #require(simulation.binding("nic"))) == nil)
        }

        @Test func parsingAndTagsComeFirst() throws {
            let simulation = try Simulation(policy: Self.policy)
            let port = try #require(simulation.binding("nic"))
            var tagged = Simulation.Probe(Ends.frame(.v4, .tcp(40000, 80), tags: [Frame.Tag(9)]), .in)
            var short = Simulation.Probe(Ends.frame(.v4, .tcp(40000, 80)).cut(to: 40), .in)
            (tagged.isQuarantined, short.isQuarantined) = (true, true)
            #expect(try simulation.judge(tagged, at: port) == .drop(.vlan))
            #expect(try simulation.judge(short, at: port) == .drop(.malformed))
        }
    }
}
