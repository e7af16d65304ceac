// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Datapath
import Glibc
import Simulation
import Testing

extension PacketTables {
    /// Expired flows free their slots, without a process that sweeps.
    @Suite struct FlowSweepTests {
        /// Longer than the timeout of an established connection.
        private static let long = 7600

        @Test(arguments: [1, 100]) func aPortAtItsShareGetsRoomAgain(share: Int) throws {
            try FlowPorts.simulate(share: share) { simulator, ports in
                for client in 0..<share { try #require(try ports.web.handshake(client, in: simulator)) }
                // Established flows are not evicted for anyone.
                for client in 1000..<1020 {
                    #expect(try ports.web.open(client, in: simulator) == "drop flow-table-full")
                }
                simulator.pass(seconds: Self.long)
                for client in 2000..<2000 + share {
                    #expect(try isGivenRoom(client, at: ports.web, in: simulator), "client \(client)")
                    #expect(try ports.web.goOn(client, in: simulator))
                }
                #expect(try ports.web.used(in: simulator) == share)
                #expect(try ports.web.open(3000, in: simulator) == "drop flow-table-full")
            }
        }

        /// A full port searches the whole table, but not again at once.
        private func isGivenRoom(_ client: Int, at port: FlowPort, in simulator: Simulator) throws -> Bool {
            if try port.open(client, in: simulator) == "accept rule" { return true }
            simulator.pass(seconds: 1)
            return try port.open(client, in: simulator) == "accept rule"
        }

        /// Among established flows, the one that is not established is evicted.
        @Test func theOneThatIsHalfOpenIsFound() throws {
            try FlowPorts.simulate(share: 100) { simulator, ports in
                for client in 0..<99 { try #require(try ports.web.handshake(client, in: simulator)) }
                for client in 99..<120 {
                    #expect(try isGivenRoom(client, at: ports.web, in: simulator), "client \(client)")
                }
                try #require(try ports.web.goOn(119, in: simulator))
                #expect(try !isGivenRoom(120, at: ports.web, in: simulator))
                for client in 0..<99 { #expect(try ports.web.isEstablished(client, in: simulator)) }
            }
        }

        /// A flow that expired at one port is reclaimed by an opening at another.
        @Test func anyOpeningTidies() throws {
            try FlowPorts.simulate(share: 1000) { simulator, ports in
                for client in 0..<100 { try #require(try ports.web.open(client, in: simulator) == "accept rule") }
                let before = try simulator.flowTotals()
                simulator.pass(seconds: 31)
                #expect(try simulator.flows().isEmpty)
                #expect(try ports.web.used(in: simulator) == 100)
                // An opening tidies two buckets; each CPU goes round by itself.
                var left = Int(BH_FLOW_BUCKETS) / 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN))
                while left > 0, try left % 1024 > 0 || ports.web.used(in: simulator) > 0 {
                    try #require(try ports.db.open(0, in: simulator) == "accept rule")
                    left -= 1
                }
                #expect(try ports.web.used(in: simulator) == 0)
                #expect(try simulator.flowTotals().expired == before.expired + 100)
                #expect(try simulator.flows().count == 1)
            }
        }
    }
}
