// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Network
import TestSupport
import Testing

extension PacketTables {
    /// An image that is larger than one page, the largest value that a map may have.
    @Suite struct PageTests {
        @Test func anImageOfSeveralPagesIsRead() throws {
            var random = RandomNumbers(seed: 1)
            let members = (0..<40_000).map { _ in
                IPAddress(v6: UInt128(0x2001_0db8) << 96 | UInt128(random.next() >> 32) << 64 | UInt128(random.next()))
            }
            let policy = """
                version: 1
                ports:
                  nic: { interface: nic0, protects: host }
                groups:
                  many: { addresses: [\(members.map { "\"\($0)\"" }.joined(separator: ", "))] }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: many, from: many, action: accept }
                """
            let ruleset = try Simulation.ruleset(policy)
            let pages = try Compiler().compile(ruleset).bytes.count / Int(BH_PAGE_SIZE) + 1
            #expect(pages > 1)
            let simulation = try Simulation(ruleset)
            let port = simulation.port(entry: 0, protects: .host)
            for member in members.prefix(500) {
                let beside = IPAddress(v6: member.value ^ 1)
                for (source, verdict) in [(member, "many"), (beside, nil)] {
                    let frame = Frame(Datagram(source, Ends.server(.v6), .udp()))
                    #expect(
                        try simulation.judge(.init(frame, .in), at: port)
                            == (verdict.map { .accept(by: $0) } ?? .drop(.default)), "\(source)")
                }
            }
        }
    }
}
