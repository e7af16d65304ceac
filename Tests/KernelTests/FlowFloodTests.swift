// SPDX-License-Identifier: Apache-2.0
import Datapath
import Foundation
import Network
import Simulation
import TestSupport
import Testing

extension PacketTables {
    /// Forged openings, as many as the table has slots or as `BULKHEAD_FLOOD` says. They cost other openings, but
    /// nothing that is established, at any port.
    @Suite struct FlowFloodTests {
        private static let openings = Seed.count("BULKHEAD_FLOOD", usual: 262_144)

        /// The flooded port may use the whole table, so that it meets the others' flows in every bucket.
        @Test func aFloodThatMayHaveTheWholeTable() throws {
            try #require(Self.openings >= 98_304, "fewer openings than this fill no bucket")
            try FlowPorts.simulate(share: 262_144) { simulator, ports in
                let figures = try flood(simulator, ports, Self.openings)
                #expect(figures.totals.evicted > 0)
                #expect(figures.made == figures.begun)
                // Another port still gets its slots.
                for number in 0..<800 {
                    #expect(try ports.db.open(200 + number, in: simulator) == "accept rule")
                }
            }
        }

        /// A new client replaces one of the port's own half-open flows, and none is refused, however small the share.
        /// With a large share clients have time to shake hands.
        @Test(arguments: [1_000, 4_096, 65_536]) func aFloodWithinAShare(share: Int) throws {
            let openings = share < 65_536 ? Self.openings / 4 : Self.openings
            // A smaller share is used up by fewer openings.
            let share = min(share, openings / 4)
            try FlowPorts.simulate(share: share) { simulator, ports in
                let figures = try flood(simulator, ports, openings)
                #expect(figures.totals.refused == 0)
                #expect(figures.admitted == figures.begun)
                #expect(share < 65_536 || figures.made == figures.begun)
                #expect(try ports.web.used(in: simulator) <= share)
                #expect(try ports.db.used(in: simulator) == 200)
            }
        }

        /// Half of the table is forged flows, and some buckets are full of the other port's.
        @Test func aFloodOfTwoPortsAtOnce() throws {
            try FlowPorts.simulate(share: 65_536, other: 65_536) { simulator, ports in
                let figures = try flood(simulator, ports, Self.openings, at: [ports.web, ports.db])
                #expect(figures.totals.refused == 0)
                #expect(figures.made == figures.begun)
            }
        }

        // MARK: A flood

        private struct Figures: CustomStringConvertible {
            var totals: FlowTotals
            /// Honest handshakes during the flood, with ten thousand forged openings per round trip.
            var begun = 0
            var admitted = 0
            var made = 0

            var description: String {
                "\(totals.used) places used, \(totals.evicted) evicted, \(totals.expired) expired, "
                    + "\(totals.refused) refused, \(admitted) of \(begun) honest clients admitted, "
                    + "\(made) handshakes made"
            }
        }

        /// - Parameter flooded: The ports that each forged opening goes to; honest clients go to the first guest's.
        private func flood(
            _ simulator: Simulator, _ ports: FlowPorts, _ count: Int, at flooded: [FlowPort]? = nil
        ) throws -> Figures {
            let flooded = flooded ?? [ports.web]
            let before = try simulator.flowTotals()
            for port in ports.all {
                for number in 0..<200 { try #require(try port.handshake(number, in: simulator)) }
            }
            var figures = Figures(totals: before)
            var waiting: [(at: Int, number: Int)] = []
            var forged = Forged()
            for number in 0..<count {
                // Forty thousand per second.
                simulator.time += 25_000
                let opening = forged.next()
                for port in flooded {
                    let said = try port.judge(opening, .in, in: simulator)
                    #expect(said == "accept rule" || said == "drop flow-table-full")
                }
                if number % 1000 == 0 {
                    figures.begun += 1
                    let honest = 1000 + number / 1000
                    if try ports.web.open(honest, in: simulator) == "accept rule" {
                        figures.admitted += 1
                        waiting.append((number, honest))
                    }
                }
                if let first = waiting.first, number >= first.at + 10_000 || number == count - 1 {
                    waiting.removeFirst()
                    figures.made += try ports.web.goOn(first.number, in: simulator) ? 1 : 0
                }
            }
            for late in waiting { figures.made += try ports.web.goOn(late.number, in: simulator) ? 1 : 0 }
            try expectEstablished(simulator, ports)
            figures.totals = try simulator.flowTotals()
            expectAccount(&figures.totals, less: before, openings: count * flooded.count + figures.begun + 600)
            print("flood: \(count) openings, \(figures)")
            return figures
        }

        /// Every earlier connection still exists, and passes in both directions.
        private func expectEstablished(_ simulator: Simulator, _ ports: FlowPorts) throws {
            var admitted = 0
            for port in ports.all {
                for number in 0..<200 where try port.isEstablished(number, in: simulator) { admitted += 1 }
            }
            #expect(admitted == 600)
            let established = try simulator.flows().filter { $0.state == .established && $0.sourcePort < 1200 }
            #expect(established.count == 600)
        }

        /// Every opening has a flow, had one, or was refused.
        private func expectAccount(_ totals: inout FlowTotals, less before: FlowTotals, openings: Int) {
            totals.opened -= before.opened
            totals.evicted -= before.evicted
            totals.expired -= before.expired
            totals.refused -= before.refused
            #expect(totals.opened + totals.refused == UInt64(openings))
            #expect(totals.opened == totals.used + totals.evicted + totals.expired)
        }

        /// Openings of both families, each from its own address and port.
        private struct Forged {
            private var number: UInt32 = 0
            private var frames = AddressFamily.allCases.map { family in
                Frame(
                    Datagram(
                        family == .v4 ? "198.18.0.0" : "2001:db8:f::", Ends.server(family),
                        .tcp(0, 80, flags: 2, sequence: 1))
                ).bytes
            }

            /// The frame with the number spread over the source's last bits and the port. Its checksums are wrong, as a
            /// forger's may be.
            mutating func next() -> [UInt8] {
                defer { number += 1 }
                let isV4 = number % 2 == 0
                let address = isV4 ? 14 + 12 + 1 : 14 + 8 + 13
                let port = isV4 ? 14 + 20 : 14 + 40
                let family = isV4 ? 0 : 1
                let host = number % 0x2_0000
                frames[family][address] = (isV4 ? 18 : 0) + UInt8(host >> 16)
                frames[family][address + 1] = UInt8(truncatingIfNeeded: host >> 8)
                frames[family][address + 2] = UInt8(truncatingIfNeeded: host)
                frames[family][port] = 0x80
                frames[family][port + 1] = UInt8(number / 0x2_0000)
                return frames[family]
            }
        }
    }
}
