// SPDX-License-Identifier: Apache-2.0
import Compiler
import Fuzzing
import Network
import Simulation
import TestSupport
import Testing

extension PacketTables {
    /// What a guest leaves to the kernel, at a tap whose hook runs the programs: a test run cannot be told of it.
    @Suite struct SentOffloadTests {
        private struct Row {
            var description: String
            var frame: Frame
            var header: VnetHeader
            var expected: String

            init(_ description: String, _ frame: Frame, _ header: VnetHeader, _ expected: String) {
                self.description = description
                self.frame = frame
                self.header = header
                self.expected = expected
            }
        }

        private static let policy = """
            version: 1
            ports:
              guest: { interface: tap0, protects: workload, guard: off }
            defaults: { in: drop, out: drop }
            rules:
              - { name: diameter, service: sctp/3868, action: accept }
              - { name: tunnels, service: [proto/4, proto/41, udp/9899], action: accept }
            """

        private static let accepted = "accept rule"
        private static let malformed = "drop malformed"

        /// The CRC-32C of SCTP stands at 8, in four bytes (RFC 9260).
        private static func sctp(_ family: AddressFamily) -> [Row] {
            let l4 = 14 + (family == .v4 ? 20 : 40)
            let segment = Segment.sctp(chunks: [UInt8](repeating: 7, count: 68))
            let whole = Ends.frame(family, segment)
            func row(_ text: String, _ start: Int, _ offset: Int, _ expected: String = malformed) -> Row {
                Row("\(family) \(text)", whole, VnetHeader(start: start, offset: offset), expected)
            }
            return [
                row("the checksum's own field", l4, 8, accepted),
                row("the field's second half", l4, 10),
                row("the ports", l4, 0), row("the destination port", l4, 2),
                row("the tag", l4, 4), row("the tag's second half", l4, 6),
                row("the first chunk", l4, 12), row("TCP's field", l4, 16),
                row("the field, from the tag on", l4 + 4, 4),
                row("a chunk, from itself on", l4 + 12, 8),
                Row(
                    "\(family) of a first fragment",
                    Ends.frame(family, segment) { $0.fragment = .first },
                    VnetHeader(start: family == .v4 ? l4 : l4 + 8, offset: 8), malformed),
                Row(
                    "\(family) behind an authentication header",
                    Ends.frame(family, segment) { $0.extensions = [.authentication()] },
                    VnetHeader(start: l4 + 24, offset: 8), accepted),
            ]
        }

        /// SCTP in a tunnel is not judged; in UDP (RFC 6951) nobody but the kernel could say that it is one.
        private static func carried(_ family: AddressFamily) -> [Row] {
            let l4 = 14 + (family == .v4 ? 20 : 40)
            let inner = Ends.datagram(family, .sctp(chunks: [UInt8](repeating: 7, count: 64))).bytes
            let tunnel = Ends.frame(family, Segment(number: family == .v4 ? 4 : 41, bytes: inner))
            let udp = Ends.frame(family, .udp(9899, 9899, payload: Array(inner.dropFirst(l4 - 14))))
            return [
                Row(
                    "\(family) in a tunnel", tunnel, VnetHeader(start: l4 + l4 - 14, offset: 8), accepted),
                Row("\(family) in UDP", udp, VnetHeader(start: l4 + 8, offset: 8), malformed),
                Row("\(family) in UDP, the datagram's own", udp, VnetHeader(start: l4, offset: 6), accepted),
            ]
        }

        /// A super-packet counts as the frames that come of it, and so do their bytes.
        @Test func aSuperPacketCountsAsWhatComesOfIt() throws {
            let policy = """
                version: 1
                ports: { guest: { interface: tap0, protects: workload, guard: off } }
                defaults: { in: drop, out: accept }
                """
            let image = try Compiler().compile(Simulation.ruleset(policy))
            let simulator = try Simulator(image: image, answerBlocks: 64)
            let taps = try FuzzTaps(simulator)
            let record = image.portRecord(entry: 0, protects: .workload)
            // Bytes of payload and of each part, and how many parts. The UDP header is shared out among fragments.
            let datagrams = [(8, 8, 2), (16, 16, 2), (100, 40, 3), (504, 256, 2), (505, 256, 3), (1400, 8, 176)]
            let streams = [(100, 50, 2), (101, 50, 3), (1000, 999, 2), (1400, 100, 14)]
            for family in AddressFamily.allCases {
                let l4 = 14 + (family == .v4 ? 20 : 40)
                for (isStream, rows) in [(true, streams), (false, datagrams)] {
                    for (bytes, size, parts) in rows {
                        let payload = [UInt8](repeating: 7, count: bytes)
                        let segment =
                            isStream ? Segment.tcp(40000, 80, payload: payload) : .udp(40000, 53, payload: payload)
                        var header = VnetHeader(start: l4, offset: isStream ? 16 : 6)
                        header.type = isStream ? (family == .v4 ? 1 : 4) : 3
                        header.size = UInt16(size)
                        let frame = Ends.frame(family, segment).bytes
                        // The second of a kind takes the front.
                        for _ in 0..<2 {
                            let found = try simulator.judge(length: frame.count, portRecord: record, hook: .tcIngress) {
                                taps.send(frame, header)
                            }
                            let frames = taps.receive()
                            let what = "\(family) \(segment.number): \(bytes) by \(size)"
                            #expect(frames.count == parts, "\(what)")
                            #expect(found?.packet.segments == parts, "\(what)")
                            #expect(found?.packet.wireBytes == frames.reduce(0) { $0 + $1.count }, "\(what)")
                        }
                    }
                }
            }
        }

        /// Only IP can be cut into IP fragments: a frame of another type counts as it stands, whatever its header asks.
        @Test func aFrameThatIsNotIPHasNoFragments() throws {
            let image = try Compiler().compile(Simulation.ruleset(Self.policy))
            let simulator = try Simulator(image: image)
            let taps = try FuzzTaps(simulator)
            let record = image.portRecord(entry: 0, protects: .workload)
            let addresses: [UInt8] = [0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 2]
            let frame = addresses + [0x88, 0xb5] + [UInt8](repeating: 7, count: 32)
            var header = VnetHeader(start: 28, offset: 0)
            header.type = 3
            header.size = 8
            let found = try simulator.judge(length: frame.count, portRecord: record, hook: .tcIngress) {
                taps.send(frame, header)
            }
            #expect(found?.reason == .nonIP)
            // The kernel would cut what follows the Ethernet header into as many parts.
            #expect((1...4).contains(found?.packet.segments ?? 0))
        }

        @Test func aChecksumOfSCTPIsWrittenIntoItsField() throws {
            let image = try Compiler().compile(Simulation.ruleset(Self.policy))
            let simulator = try Simulator(image: image)
            let taps = try FuzzTaps(simulator)
            let record = image.portRecord(entry: 0, protects: .workload)
            for row in AddressFamily.allCases.flatMap({ Self.sctp($0) + Self.carried($0) }) {
                try simulator.forgetFlows()
                let bytes = row.frame.bytes
                let found = try simulator.judge(length: bytes.count, portRecord: record, hook: .tcIngress) {
                    taps.send(bytes, row.header)
                }
                let said = found.map { "\($0.verdict.rawValue) \($0.reason?.rawValue ?? "-")" }
                #expect(said == row.expected, "\(row.description)")
                let got = taps.receive()
                #expect(got.count == (row.expected == Self.accepted ? 1 : 0), "\(row.description)")
                guard let frame = got.first, frame.count == bytes.count else { continue }
                let field = Int(row.header.start) + Int(row.header.offset)
                let changed = bytes.indices.filter { frame[$0] != bytes[$0] }
                #expect(changed.allSatisfy { (field..<field + 2).contains($0) }, "\(row.description): \(changed)")
            }
        }
    }
}
