// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Foundation
import Network
import Policy
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Datapath
@testable import Simulation

extension PacketTables {
    /// The front against the general way: the same packets, each often, and changed ones, while policies, quarantine,
    /// members, readers and flows come and go. Both must say and count the same of every packet, and have the same
    /// flows.
    @Suite struct FrontPropertyTests {
        /// The programs without the front and with it, loaded once.
        private static let loaded = Mutex<Loaded?>(nil)

        private struct Loaded {
            let general: Simulator
            let front: Simulator
            /// Behind the front's programs. Nothing may depend on it.
            let shadow: SimulatedShadow
        }

        /// `BULKHEAD_FRONT_PACKETS` asks for more packets than CI has time for.
        @Test func theFrontSaysWhatTheGeneralWaySays() throws {
            let packets = Seed.count("BULKHEAD_FRONT_PACKETS", usual: 100_000)
            let first = Seed.first(usual: 1)
            print("front property test: BULKHEAD_SEED=\(first) BULKHEAD_FRONT_PACKETS=\(packets)")
            var counts: [String: Int] = [:]
            try Self.loaded.withLock { loaded in
                var (done, seed) = (0, first)
                // The kernel makes each new policy wait, so a long run has fewer of them.
                let length = packets > 1_000_000 ? 4000 : 1000
                while done < packets {
                    var run = try Run(seed: seed, policyEach: length * 3 / 20, loaded)
                    loaded = Loaded(general: run.general, front: run.front, shadow: run.shadow)
                    try run.judge(length)
                    counts.merge(run.counts, uniquingKeysWith: +)
                    (done, seed) = (done + length, seed + 1)
                    if done % 1_000_000 < length { print("front property test: \(done) packets") }
                }
            }
            print("front property test: " + counts.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))
            let asked = try #require(try Self.loaded.withLock { try $0?.shadow.counts() })
            print("front property test: the shadow compared \(asked.compared) packets, \(asked.changed) differ")
            #expect(asked.compared > 0 && asked.changed > 0)
            guard packets >= 100_000 else { return }
            for kind in ["drop rule", "drop default", "drop invalid-state", "accept rule", "accept established"] {
                #expect(counts["front: \(kind)", default: 0] > 0, "the front never said \(kind)")
            }
            for kind in ["drop rule", "drop default", "drop invalid-state", "accept rule"] {
                #expect(counts["class: \(kind)", default: 0] > 0, "no class was ever answered \(kind)")
            }
            for kind in ["drop rule", "drop default", "accept rule", "accept established"] {
                #expect(counts["tagged: \(kind)", default: 0] > 0, "the front never said \(kind) of a tagged packet")
            }
            #expect(counts["XDP drops", default: 0] > 0 && counts["XDP passes", default: 0] > 0)
        }

        /// One run of packets under three policies.
        private struct Run {
            let general: Simulator
            let front: Simulator
            let shadow: SimulatedShadow
            private(set) var counts: [String: Int] = [:]
            private let seed: UInt64
            /// So many packets, in the mean, are judged by one policy.
            private let policyEach: Int
            private var random: RandomNumbers
            private let images: [Image]
            private var traffic: FlowTraffic
            private var recent: [FlowTraffic.Drawn] = []
            private var cutOff: Set<Int> = []
            /// How much rarer than in other runs something changes.
            private let calm: Int
            /// Whether the front is told that somebody may want to read drops.
            private var hasReaders = false

            init(seed: UInt64, policyEach: Int, _ loaded: Loaded?) throws {
                var random = RandomNumbers(seed: seed)
                let start = Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000))
                var policies: [Ruleset] = []
                let isSimple = random.once(in: 2)
                for _ in 0..<3 {
                    var policy = FlowPropertyTests.ruleset(start, &random)
                    Run.guardPorts(&policy, &random)
                    Run.changeRules(&policy, &random)
                    if isSimple {
                        Run.simplify(&policy)
                    } else if random.once(in: 2) {
                        Run.condition(&policy, at: start, &random)
                    }
                    policies.append(policy)
                }
                let images = try policies.map { try Compiler().compile($0) }
                let adopts = random.once(in: 4)
                let general = try loaded?.general ?? Simulator(image: images[0])
                let front = try loaded?.front ?? Simulator(image: images[0], answerBlocks: 1)
                for simulator in [general, front] {
                    try simulator.forgetFlows()
                    simulator.adopts = adopts
                    try simulator.use(images[0])
                    simulator.time = start.nanoseconds
                    simulator.keepsRoom = true
                    try simulator.setOwn([])
                    try PortCounters.provide(Run.devices, in: simulator.maps)
                    try RuleCounters.provide(Run.slots, in: simulator.maps)
                }
                try Stamp(front.maps).setReaders(false)
                shadow = try loaded?.shadow ?? SimulatedShadow(front, image: images[1])
                for hook in HookName.allCases { try shadow.stand(behind: hook) }
                shadow.isOn = false
                traffic = FlowTraffic(&random)
                calm = random.pick([1, 8])
                (self.seed, self.policyEach, self.random, self.images) = (seed, policyEach, random, images)
                (self.general, self.front) = (general, front)
            }

            /// Some guests have addresses of their own, and guards.
            private static func guardPorts(_ policy: inout Ruleset, _ random: inout RandomNumbers) {
                for index in policy.entries.indices where index > 0 && random.once(in: 2) {
                    policy.entries[index].macs = random.pick([[Frame.guest], [Frame.guest, Frame.peer]])
                    policy.entries[index].addresses = AddressFamily.allCases.map {
                        let address = random.once(in: 2) ? Ends.client($0) : Ends.server($0)
                        return Prefix(address, length: random.pick([8, $0.bits]))
                    }
                    policy.entries[index].guards = random.pick([.strict, .list(Set(random.some(of: Guard.allCases)))])
                }
            }

            /// Rules that name addresses or the host, reject, log, pass, or ask for fields; in layers.
            private static func changeRules(_ policy: inout Ruleset, _ random: inout RandomNumbers) {
                let layers = random.number(1...2)
                for rank in policy.rules.indices {
                    if layers == 2, rank >= policy.rules.count / 2 { policy.rules[rank].layer = 1 }
                    if random.once(in: 3) { policy.rules[rank].ends = [ends(&random)] }
                    if random.once(in: 6) {
                        policy.rules[rank].action = random.pick([.reject, .log, .pass])
                        policy.rules[rank].isStateless = false
                    }
                    if policy.rules[rank].limit == nil, random.once(in: 6) {
                        policy.rules[rank].match = RandomPolicy.match(&random)
                    }
                    if policy.rules[rank].action == .accept, random.once(in: 2) {
                        policy.rules[rank].isStateless = true
                    }
                    policy.rules[rank].log = random.once(in: 2)
                }
                if layers == 2 { policy.layers = ["first", "second"] }
            }

            /// Rules with limits of bytes, which flows that they open go on using, times that begin and end between
            /// packets, origins, and members that the programs add.
            private static func condition(
                _ policy: inout Ruleset, at start: Timestamp, _ random: inout RandomNumbers
            ) {
                let minute = Int(start.nanoseconds / 60_000_000_000 % 1440)
                for rank in policy.rules.indices {
                    if policy.rules[rank].limit == nil, random.once(in: 5) {
                        policy.rules[rank].limit = RuleLimit(
                            rate: 6000, period: .minute, burst: random.pick([150, 2000, 20_000]),
                            per: random.pick([.rule, .source, .destination]), unit: .bytes)
                    }
                    if random.once(in: 8) {
                        let from = (minute + random.pick([1436, 0, 1, 6])) % 1440
                        policy.rules[rank].times = RuleTimes(from: from, to: min(from + random.pick([2, 30]), 1440))
                    }
                    if random.once(in: 6) {
                        let some = Set(random.some(of: Array(0...2)))
                        policy.rules[rank].via = Rule.Via(entries: some, host: some.isEmpty || random.once(in: 3))
                    }
                    if random.once(in: 6) {
                        policy.rules[rank].addition = RuleAddition(
                            group: random.number(0...1), seconds: random.pick([30, 300, nil]),
                            end: random.pick(RuleAddition.End.allCases))
                    }
                }
            }

            /// Takes the conditions away. The front keeps no answer where one was asked.
            private static func simplify(_ policy: inout Ruleset) {
                for rank in policy.rules.indices {
                    (policy.rules[rank].limit, policy.rules[rank].match) = (nil, .any)
                    (policy.rules[rank].starts, policy.rules[rank].expires) = (nil, nil)
                    for end in policy.rules[rank].ends.indices {
                        policy.rules[rank].ends[end].source = Membership()
                        policy.rules[rank].ends[end].destination = Membership()
                    }
                }
            }

            private static func ends(_ random: inout RandomNumbers) -> Rule.Ends {
                func set() -> AddressSet? {
                    guard random.once(in: 2) else { return nil }
                    return AddressSet(
                        AddressFamily.allCases.map {
                            Prefix(
                                random.once(in: 2) ? Ends.client($0) : Ends.server($0),
                                length: random.pick([$0.bits, $0.bits - 8, 8]))
                        })
                }
                func host() -> Membership { Membership(isHost: random.once(in: 4) ? random.once(in: 2) : nil) }
                return Rule.Ends(from: set(), to: set(), source: host(), destination: host())
            }

            mutating func judge(_ count: Int) throws {
                for step in 0..<count {
                    try change()
                    try judge(next(), step)
                    if step % 50 == 0 {
                        let (found, expected) = (try states(front), try states(general))
                        try #require(found == expected, "seed \(seed), step \(step)")
                    }
                    if step % 100 == 0 {
                        let (found, expected) = (try counted(front), try counted(general))
                        try #require(found == expected, "seed \(seed), step \(step)")
                    }
                }
            }

            private func states(_ simulator: Simulator) throws -> [String] {
                try simulator.flows().map { "\($0)" }.sorted()
            }

            /// The made-up devices, and the rules' counters.
            private static let devices: [UInt16] = [1, 2, 3]
            private static let slots: [UInt32] = Array(0..<8)

            /// What both hooks have counted.
            private func counted(_ simulator: Simulator) throws -> [String] {
                let ports = try PortCounters(simulator.maps)
                let rules = try RuleCounters(simulator.maps)
                let devices = try Run.devices.flatMap { device in
                    try ports.totals(device).enumerated().map { direction, total in
                        "\(device) \(direction) \(total.accepted) \(total.dropped) \(total.accepts) \(total.drops) "
                            + "\(total.unanswered)"
                    }
                }
                return devices + Run.slots.map { "rule \($0) \(rules.total($0))" }
            }

            /// Something that both simulators see.
            private mutating func change() throws {
                let image = random.once(in: policyEach * calm) ? random.pick(images) : nil
                var seconds = random.once(in: 60) ? random.pick([1, 21, 47, 151, 401, 8009]) : 0
                if image != nil, random.once(in: 2) { seconds = 151 }
                let group = random.pick(["first", "second"])
                let family = random.pick(AddressFamily.allCases)
                let member = Prefix(
                    random.once(in: 2) ? Ends.client(family) : Ends.server(family), length: family.bits)
                let joins = random.once(in: 60 * calm)
                let leaves = random.once(in: 60 * calm)
                let own = random.once(in: 60 * calm) ? Set(AddressFamily.allCases.map { Prefix(Ends.server($0)) }) : nil
                let isOwn = random.once(in: 2)
                if random.once(in: 100 * calm) {
                    hasReaders = random.once(in: 4)
                    try Stamp(front.maps).setReaders(hasReaders)
                }
                if random.once(in: 60 * calm) { cutOff = random.once(in: 3) ? [random.number(0...2)] : [] }
                if random.once(in: 50) {
                    shadow.isOn.toggle()
                    try shadow.use(random.pick(images))
                }
                for simulator in [general, front] {
                    if let image { try simulator.use(image) }
                    if seconds > 0 { simulator.pass(seconds: seconds) }
                    if joins { try simulator.add([member], to: group) }
                    if leaves { try simulator.delete([member], from: group) }
                    if let own { try simulator.setOwn(isOwn ? own : []) }
                }
                if image != nil { try shadow.use(random.pick(images)) }
            }

            /// A packet that goes on, one that came before, or a changed one.
            private mutating func next() -> FlowTraffic.Drawn {
                if recent.isEmpty || random.once(in: 4) {
                    recent.append(traffic.next(&random))
                    if recent.count > 40 { recent.removeFirst() }
                    return recent[recent.count - 1]
                }
                var drawn = random.pick(recent.suffix(random.pick([1, 3, 10, 40])))
                if random.once(in: 3) { vary(&drawn.frame.bytes) }
                if random.once(in: 4), !drawn.frame.bytes.isEmpty {
                    for _ in 0..<random.number(1...2) {
                        let place = random.number(0...min(drawn.frame.bytes.count, 70) - 1)
                        let byte = drawn.frame.bytes[place]
                        drawn.frame.bytes[place] = random.once(in: 2) ? byte ^ 1 << UInt8(random.number(0...7)) : 0
                    }
                    if random.once(in: 4) { drawn.frame.bytes.removeLast(random.number(0...3)) }
                    if random.once(in: 4) { recent.append(drawn) }
                }
                return drawn
            }

            /// Another sender or receiver, other ports, or another VLAN, of a frame that has one tag or none.
            private mutating func vary(_ bytes: inout [UInt8]) {
                guard bytes.count >= 64 else { return }
                let type = bytes[12...13] == [0x81, 0x00] || bytes[12...13] == [0x88, 0xa8] ? 16 : 12
                let isV4 = bytes[type...type + 1] == [0x08, 0x00]
                guard isV4 || bytes[type...type + 1] == [0x86, 0xdd] else { return }
                if type == 16, random.once(in: 3) {
                    bytes[14] = bytes[14] & 0xf0
                    bytes[15] = random.pick([0, 1, 2, 100])
                }
                let (width, addresses, ports) = isV4 ? (4, type + 14, type + 22) : (16, type + 10, type + 42)
                for end in 0...1 where random.once(in: end == 0 ? 1 : 4) {
                    for place in random.pick([[], [width - 1], [width - 3, width - 2, width - 1]]) {
                        bytes[addresses + end * width + place] = UInt8(random.number(0...255))
                    }
                    if random.once(in: 3) { bytes[ports + 2 * end] ^= UInt8(random.number(0...255)) }
                    if random.once(in: 2) { bytes[ports + 2 * end + 1] ^= UInt8(random.number(0...255)) }
                }
            }

            private mutating func judge(_ drawn: FlowTraffic.Drawn, _ step: Int) throws {
                let record = images[0].portRecord(entry: drawn.entry, protects: drawn.entry == 0 ? .host : .workload)
                let isIngress = (drawn.entry == 0) == (drawn.direction == .in)
                let isQuarantined = cutOff.contains(drawn.entry)
                // XDP sees no super-packets.
                let isEarly = isIngress && drawn.entry == 0 && random.once(in: 3)
                let segments = !isEarly && random.once(in: 20) ? UInt32(random.number(2...9)) : 1
                // Of what the host sends it is told where that came from.
                let origin: Simulator.Origin =
                    isIngress
                    ? .elsewhere : random.pick([.elsewhere, .host, .port(record: 0), .port(record: record)])
                func run(_ simulator: Simulator, _ hook: HookName) throws -> Simulator.Outcome {
                    let isSuper = segments > 1
                    return try simulator.judge(
                        frame: drawn.frame.bytes,
                        originalLength: isSuper ? drawn.frame.bytes.count + 1000 * Int(segments) : nil,
                        portRecord: record, hook: hook, segmentSize: isSuper ? 1000 : 0,
                        segments: isSuper ? segments : 0, isQuarantined: isQuarantined, from: origin)
                }
                let place = "seed \(seed), step \(step)"
                if isEarly {
                    let (expected, found) = (try run(general, .xdp), try run(front, .xdp))
                    if front.wasAnswered, found.reason == nil {
                        // What XDP passes tc judges.
                        counts["XDP passes", default: 0] += 1
                        if expected.reason != nil {
                            let late = try run(front, .tcIngress)
                            try Self.compare(late, expected, drawn, "after XDP, \(place)")
                        }
                    } else {
                        if front.wasAnswered { counts["XDP drops", default: 0] += 1 }
                        try Self.compare(found, expected, drawn, "XDP, \(place)")
                    }
                }
                let hook: HookName = isIngress ? .tcIngress : .tcEgress
                let (expected, found) = (try run(general, hook), try run(front, hook))
                try Self.compare(found, expected, drawn, place)
                let name = "\(found.verdict.rawValue) \(found.reason?.rawValue ?? "-")"
                counts["\(front.wasAnswered ? "front" : "general"): \(name)", default: 0] += 1
                if front.wasAnsweredByClass { counts["class: \(name)", default: 0] += 1 }
                if front.wasAnswered, !isV4OrV6(drawn.frame.bytes) { counts["tagged: \(name)", default: 0] += 1 }
            }

            /// Whether a frame has no tag and is IP.
            private func isV4OrV6(_ bytes: [UInt8]) -> Bool {
                bytes.dropFirst(12).starts(with: [0x08, 0x00]) || bytes.dropFirst(12).starts(with: [0x86, 0xdd])
            }

            private static func compare(
                _ found: Simulator.Outcome, _ expected: Simulator.Outcome, _ drawn: FlowTraffic.Drawn, _ place: String
            ) throws {
                let isSame =
                    found.verdict == expected.verdict && found.reason == expected.reason
                    && found.decided?.name == expected.decided?.name && found.direction == expected.direction
                    && found.packet.segments == expected.packet.segments
                guard !isSame else { return }
                func text(_ outcome: Simulator.Outcome) -> String {
                    """
                    \(outcome.verdict.rawValue) \(outcome.reason?.rawValue ?? "-") \(outcome.ruleName ?? "-") \
                    \(outcome.direction) \(outcome.packet.segments) segments
                    """
                }
                Issue.record("\(text(found)), not \(text(expected)): \(place): \(drawn)")
                throw Difference()
            }
        }

        private struct Difference: Error {}
    }
}
