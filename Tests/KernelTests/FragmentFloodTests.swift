// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Network
import Simulation
import TestSupport
import Testing

extension PacketTables {
    /// First fragments of datagrams that never become complete, more than the table holds. They cost nobody at another
    /// port.
    @Suite struct FragmentFloodTests {
        /// The room of one device, in datagrams; see `BH_DEVICE_ROOM`.
        private static let room = 64

        private static func part(_ identification: UInt32, _ family: AddressFamily, first: Bool) -> [UInt8] {
            Ends.frame(family, .udp(payload: Array(repeating: 1, count: 24))) {
                $0.identification = identification
                $0.fragment = first ? .first : .init(offset: 4, more: false)
            }.bytes
        }

        /// Judges one fragment toward a guest on this device.
        private func judge(
            _ simulator: Simulator, _ image: Image, _ identification: UInt32, _ family: AddressFamily = .v4,
            first: Bool, device: UInt16
        ) throws -> String {
            let outcome = try simulator.judge(
                frame: Self.part(identification, family, first: first),
                portRecord: image.portRecord(entry: 1, protects: .workload), device: device, direction: .in)
            return "\(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-")"
        }

        private func simulate(_ body: (Simulator, Image) throws -> Void) throws {
            let image = try Compiler().compile(try Simulation.ruleset(FlowScript.stateless))
            try FlowSimulator.use(image, adopts: false) { try body($0, image) }
        }

        @Test(arguments: AddressFamily.allCases) func anotherPortsDatagramsGoOn(family: AddressFamily) throws {
            try simulate { simulator, image in
                let waiting: Range<UInt32> = 0..<8
                for number in waiting {
                    let said = try judge(simulator, image, number, family, first: true, device: 1)
                    try #require(said == "accept rule")
                }
                for number in 0..<UInt32(20 * Self.room) {
                    let said = try judge(simulator, image, number, family, first: true, device: 2)
                    try #require(said == "accept rule", "first fragment \(number) of the flood")
                }
                for number in waiting {
                    let said = try judge(simulator, image, number, family, first: false, device: 1)
                    #expect(said == "accept fragment")
                }
                // The latest datagrams of the flooded port are there; earlier ones made room for them.
                let last = UInt32(20 * Self.room - 1)
                #expect(try judge(simulator, image, last, family, first: false, device: 2) == "accept fragment")
                #expect(try judge(simulator, image, 0, family, first: false, device: 2) == "drop fragment")
                #expect(try judge(simulator, image, last + 1, family, first: true, device: 2) == "accept rule")
                #expect(try judge(simulator, image, last + 1, family, first: false, device: 2) == "accept fragment")
            }
        }

        /// Devices 5 and 1029 share their room: each keeps half of every bucket.
        @Test func whoSharesARoomKeepsHalf() throws {
            try simulate { simulator, image in
                // Four datagrams of one device fill at most half of any bucket.
                for number in 0..<UInt32(4) {
                    #expect(try judge(simulator, image, number, first: true, device: 5) == "accept rule")
                }
                for number in 0..<UInt32(20 * Self.room) {
                    _ = try judge(simulator, image, number, first: true, device: 1029)
                }
                for number in 0..<UInt32(4) {
                    #expect(try judge(simulator, image, number, first: false, device: 5) == "accept fragment")
                }
                // The one that comes later gets its half too.
                #expect(try judge(simulator, image, 9, first: true, device: 5) == "accept rule")
                for number in 0..<UInt32(20 * Self.room) {
                    _ = try judge(simulator, image, 100_000 + number, first: true, device: 1029)
                }
                #expect(try judge(simulator, image, 9, first: false, device: 5) == "accept fragment")
            }
        }

        @Test func whatHasExpiredMakesRoom() throws {
            try simulate { simulator, image in
                for number in 0..<UInt32(10 * Self.room) {
                    _ = try judge(simulator, image, number, first: true, device: 3)
                }
                simulator.pass(seconds: 31)
                for number in 0..<UInt32(8) {
                    #expect(try judge(simulator, image, 10_000 + number, first: true, device: 3) == "accept rule")
                }
                for number in 0..<UInt32(8) {
                    #expect(try judge(simulator, image, 10_000 + number, first: false, device: 3) == "accept fragment")
                }
            }
        }
    }
}
