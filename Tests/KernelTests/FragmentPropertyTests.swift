// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Fragments of a few datagrams in any order, at several ports, duplicated, overlapping and too short, while
    /// policies change and time passes: the kernel's programs against the model.
    @Suite struct FragmentPropertyTests {
        @Test func theKernelAgreesWithTheModel() throws {
            let first = Seed.first()
            let runs = Seed.count("BULKHEAD_FRAGMENT_RUNS", usual: 60)
            print("fragment property test: BULKHEAD_SEED=\(first), \(runs) runs")
            var outcomes: [String: Int] = [:]
            for seed in first..<first + UInt64(runs) { try compare(seed: seed, steps: 300, &outcomes) }
            print(
                "fragment property test: "
                    + outcomes.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))
            guard runs >= 50 else { return }
            let expected: Set = [
                "accept rule", "accept fragment", "accept established", "drop fragment", "drop rule", "drop default",
            ]
            #expect(Set(outcomes.keys).isSuperset(of: expected))
            #expect(outcomes["accept fragment", default: 0] > runs * 20)
        }

        private static let services: [[Service]?] = [
            nil, [.ports(protocol: 17, destination: [53...53], source: [0...UInt16.max])],
            [.ports(protocol: 6, destination: [53...54], source: [0...UInt16.max])],
        ]

        private static func ruleset(_ random: inout RandomNumbers) -> Ruleset {
            let place = Policy.SourceLocation(file: "fragments.yaml", line: 1, column: 1)
            let entries = ["nic", "web", "db"].map { name in
                PortEntry(
                    name: name, location: place, selector: .interfaces([name]), vlans: .any,
                    defaults: .init(
                        in: random.once(in: 3) ? .drop : .accept, out: random.once(in: 3) ? .drop : .accept,
                        essentials: true, inLocation: place, outLocation: place))
            }
            let rules = (0..<random.number(0...3)).map { rank in
                let action: Action = random.once(in: 3) ? .drop : .accept
                return Rule(
                    name: "r\(rank)", location: place, services: random.pick(services),
                    directions: random.pick([[.in], [.out], [.in, .out]]), action: action,
                    isStateless: action == .accept && random.once(in: 3))
            }
            return Ruleset(
                files: [SourceFile(name: "fragments.yaml", text: "")], entries: entries, groups: [], rules: rules)
        }

        private func compare(seed: UInt64, steps: Int, _ outcomes: inout [String: Int]) throws {
            var random = RandomNumbers(seed: seed)
            var policies: [Ruleset] = []
            for _ in 0..<3 { policies.append(Self.ruleset(&random)) }
            let images = try policies.map { try Compiler().compile($0) }
            var model = ReferenceWorlds(ReferenceFlows(policies[0]))
            var traffic = FragmentTraffic(&random)
            var counted: [String: Int] = [:]
            try FlowSimulator.use(images[0], adopts: false) { simulator in
                for step in 0..<steps {
                    if random.once(in: 80) {
                        let next = random.number(0...2)
                        try simulator.use(images[next])
                        model.use(policies[next])
                    }
                    if random.once(in: 12) {
                        // No sum of these is just below a timeout, so that the time the test itself takes does not
                        // matter.
                        let seconds = random.pick([11, 11, 35])
                        simulator.pass(seconds: seconds)
                        model.pass(seconds: seconds)
                    }
                    let drawn = traffic.next(&random)
                    let protects: Protects = drawn.entry == 0 ? .host : .workload
                    let packet = PacketParser.parse(drawn.frame.bytes, frameLength: drawn.frame.bytes.count)
                    let found = try simulator.judge(
                        frame: drawn.frame.bytes,
                        portRecord: images[0].portRecord(entry: drawn.entry, protects: protects),
                        direction: drawn.direction)
                    let expected = model.judge(
                        packet, at: .init(scope: drawn.entry, entry: drawn.entry, protects: protects),
                        direction: drawn.direction
                    ) { $0.verdict == found.verdict && $0.reason == found.reason && $0.rule == found.rule }
                    let said = "\(found.verdict.rawValue) \(found.reason?.rawValue ?? "-")"
                    let isSame =
                        found.verdict == expected.verdict && found.reason == expected.reason
                        && found.rule == expected.rule
                    // The front reads no more of a packet than its answer depends on.
                    let isWhole = packet.refusal == nil && !simulator.wasAnswered
                    let isRead = !isWhole || found.packet == packet
                    let isRight = isSame && isRead
                    try #require(
                        isRight,
                        "seed \(seed), step \(step): \(said) \(found.rule ?? -1), expected \(expected): \(drawn)")
                    counted[said, default: 0] += 1
                }
            }
            outcomes.merge(counted, uniquingKeysWith: +)
        }
    }
}

/// Fragments of a few datagrams, as an honest sender or one with something to hide may send them.
struct FragmentTraffic {
    struct Drawn {
        var frame: Frame
        var entry: Int
        var direction: Direction
    }

    /// One identification between two ends, which stands for another datagram from time to time.
    private struct Whole {
        var family: AddressFamily
        var entry: Int
        var tags: [UInt16]
        var direction: Direction
        var identification: UInt32
        var segment: Segment
        /// In units of eight bytes: where the next fragment in order starts, and where the datagram ends.
        var next = 0
        var end: Int
    }

    private var wholes: [Whole] = []

    init(_ random: inout RandomNumbers) {
        // At most as many as a bucket holds.
        for _ in 0..<6 {
            let (segment, end) = Self.content(&random)
            wholes.append(
                Whole(
                    family: random.pick([.v4, .v6]), entry: random.number(0...2), tags: random.pick([[], [], [7]]),
                    direction: random.pick([.in, .out]), identification: random.pick([1, 2, 0x10001]),
                    segment: segment, end: end))
        }
    }

    private static func content(_ random: inout RandomNumbers) -> (segment: Segment, end: Int) {
        let payload = [UInt8](repeating: 0x35, count: 400)
        let port: UInt16 = random.pick([53, 53, 54])
        let segment: Segment =
            random.once(in: 4) ? .tcp(40000, port, payload: payload) : .udp(40000, port, payload: payload)
        return (segment, random.number(2...30))
    }

    mutating func next(_ random: inout RandomNumbers) -> Drawn {
        let number = random.number(0...wholes.count - 1)
        var whole = wholes[number]
        var part = whole.next..<min(whole.next + random.number(1...4), whole.end)
        whole.next = part.upperBound
        if whole.next == whole.end {
            whole.next = 0
            if random.once(in: 2) { (whole.segment, whole.end) = Self.content(&random) }
            whole.identification ^= 0x100
        }
        wholes[number] = whole
        if random.once(in: 7) {
            let start = random.number(0...40)
            part = start..<start + random.number(1...6)
        }
        let isLast = random.once(in: 30) ? random.once(in: 2) : part.upperBound == whole.end
        let less = isLast ? random.number(0...7) : random.once(in: 30) ? random.number(1...8) : 0
        let bytes = whole.segment.bytes[part.lowerBound * 8..<part.upperBound * 8 - less]
        let datagram = Datagram(
            Ends.client(whole.family), Ends.server(whole.family),
            Segment(number: whole.segment.number, bytes: Array(bytes))
        ) {
            $0.identification = whole.identification
            $0.fragment = .init(offset: UInt16(part.lowerBound), more: !isLast)
            if whole.family == .v6, random.once(in: 6) { $0.extensions = [.destination(bytes: 16)] }
        }
        let isAstray = random.once(in: 25)
        return Drawn(
            frame: Frame(datagram, tags: whole.tags.map { Frame.Tag($0) }),
            entry: isAstray ? random.number(0...2) : whole.entry, direction: whole.direction)
    }
}
