// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

/// Assertions hold exactly where they hold for every packet on every way.
@Suite struct AssertionTests {
    @Test func agreeWithBruteForce() throws {
        let seeds = TinyPolicy.seeds("assertions")
        var counts = [0, 0, 0]
        for seed in seeds {
            var tiny = TinyPolicy(seed: seed)
            tiny.ruleset.assertions = assertions(seed)
            let world = WayWorld(tiny)
            for proof in Prover(tiny.ruleset, protects: tiny.protects).proofs() {
                let truth = world.outcome(proof.assertion)
                switch proof.outcome {
                case .holds(let isEmpty):
                    try #require(truth.holds, "seed \(seed): \(proof.assertion)\n\(tiny.ruleset)")
                    try #require(isEmpty == truth.isEmpty, "seed \(seed): \(proof.assertion)\n\(tiny.ruleset)")
                    counts[isEmpty ? 2 : 0] += 1
                case .fails(let hops):
                    #expect(!hops.contains { isOfBothKinds($0.packet) }, "seed \(seed): \(hops)")
                    try #require(!truth.holds, "seed \(seed): \(proof.assertion)\n\(tiny.ruleset)\(hops)")
                    for hop in hops { try world.confirm(hop, seed) }
                    counts[1] += 1
                case .unproved: Issue.record("seed \(seed): not proved")
                }
            }
        }
        print("assertions: \(counts[0]) hold, \(counts[1]) fail, \(counts[2]) say nothing")
        if seeds.count >= 20 {
            #expect(counts[0] > 0 && counts[1] > 0)
        }
        if seeds.count >= 60 {
            #expect(counts[0] > 15)
            #expect(counts[1] > 15)
        }
    }

    /// A packet that cannot be: from an address to itself, which is the host's own at one end alone.
    private func isOfBothKinds(_ packet: Witness) -> Bool {
        packet.source == packet.destination && packet.isFromHost != packet.isToHost
    }

    private func assertions(_ seed: UInt64) -> [Assertion] {
        var random = RandomNumbers(seed: seed &+ 77)
        return (0..<4).map { number in
            func own() -> Bool? { random.once(in: 6) ? true : nil }
            return Assertion(
                name: "a\(number)", location: SourceLocation(file: "tiny.yaml", line: 100 + number, column: 1),
                ends: [
                    Rule.Ends(
                        from: TinyPolicy.set(&random), to: TinyPolicy.set(&random), source: Membership(isHost: own()),
                        destination: Membership(isHost: own()))
                ], services: random.once(in: 3) ? nil : random.pick(TinyPolicy.services),
                expect: random.pick([.accept, .drop, .drop]))
        }
    }
}

/// Every packet of a policy on every way, judged by the reference.
private struct WayWorld {
    let tiny: TinyPolicy
    let evaluator: ReferenceEvaluator
    let packets: TinyWorld
    /// Whether the policy speaks of the host's own addresses at each end.
    let asksHost: (source: Bool, destination: Bool)

    init(_ tiny: TinyPolicy) {
        self.tiny = tiny
        evaluator = ReferenceEvaluator(tiny.ruleset)
        packets = TinyWorld([tiny.ruleset])
        let ends = tiny.ruleset.rules.flatMap(\.ends) + tiny.ruleset.assertions.flatMap(\.ends)
        asksHost = (ends.contains { $0.source.isHost != nil }, ends.contains { $0.destination.isHost != nil })
    }

    private struct Place {
        var isHost: Bool
        var hop: (entry: Int, direction: Direction)?
    }

    private func bound(_ address: IPAddress) -> [Int] {
        tiny.ruleset.entries.indices.filter { index in
            tiny.protects[index] == .workload
                && (tiny.ruleset.entries[index].addresses + tiny.ruleset.entries[index].sharedAddresses).contains {
                    $0.contains(address)
                }
        }
    }

    private func places(
        _ address: IPAddress, _ ofGuest: Direction, _ ofHost: Direction, _ asksHost: Bool
    ) -> [Place] {
        let guests = bound(address)
        if !guests.isEmpty { return guests.map { Place(isHost: false, hop: ($0, ofGuest)) } }
        let hosts = tiny.ruleset.entries.indices.filter { tiny.protects[$0] == .host }
        return hosts.map { Place(isHost: false, hop: ($0, ofHost)) } + (asksHost ? [Place(isHost: true)] : [])
    }

    func outcome(_ assertion: Assertion) -> (holds: Bool, isEmpty: Bool) {
        var isEmpty = true
        for packet in asked(by: assertion) {
            for way in ways(packet, assertion.ends[0]) {
                isEmpty = false
                let may = way.hops.map { verdicts(packet, $0, way.isFromHost, way.isToHost) }
                // What a guard refuses is no packet that is expected to pass.
                let isBroken =
                    assertion.expect == .drop
                    ? may.allSatisfy { $0.contains(.accept) } : may.contains { $0.contains(.refusal) }
                if isBroken { return (false, false) }
            }
        }
        return (true, isEmpty)
    }

    private func asked(by assertion: Assertion) -> [Packet] {
        let ends = assertion.ends[0]
        return AddressFamily.allCases.flatMap { family -> [Packet] in
            guard let addresses = packets.addresses[family], let contents = packets.contents[family] else { return [] }
            let carried = contents.filter {
                TinyWorld.carries(assertion.services, TinyWorld.packet(addresses[0], addresses[0], $0))
            }
            return addresses.filter { ends.from?.contains($0) ?? true }.flatMap { source in
                addresses.filter { ends.to?.contains($0) ?? true }.flatMap { destination in
                    carried.map { TinyWorld.packet(source, destination, $0) }
                }
            }
        }
    }

    private enum Answer { case accept, refusal, guarded }

    private struct TakenWay {
        var hops: [(entry: Int, direction: Direction)]
        var isFromHost: Bool
        var isToHost: Bool
    }

    private func ways(_ packet: Packet, _ ends: Rule.Ends) -> [TakenWay] {
        guard let source = packet.source, let destination = packet.destination else { return [] }
        let from = places(source, .out, .in, asksHost.source).filter { ends.source.isHost ?? $0.isHost == $0.isHost }
        let to = places(destination, .in, .out, asksHost.destination).filter {
            ends.destination.isHost ?? $0.isHost == $0.isHost
        }
        return from.flatMap { one in
            to.filter { source != destination || $0.isHost == one.isHost }.map { two in
                TakenWay(
                    hops: [one.hop, two.hop].compactMap(\.self), isFromHost: one.isHost, isToHost: two.isHost)
            }
        }.filter { !$0.hops.isEmpty }
    }

    /// Whether the packet may be accepted, and whether it may be refused, with any tag and whatever time and state are.
    private func verdicts(
        _ packet: Packet, _ hop: (entry: Int, direction: Direction), _ isFromHost: Bool, _ isToHost: Bool
    ) -> Set<Answer> {
        var found: Set<Answer> = []
        let conditional = tiny.ruleset.rules.indices.filter { tiny.ruleset.rules[$0].asksOthers }
        let admission = tiny.ruleset.entries[hop.entry].vlanAdmission(tiny.protects[hop.entry])
        for tag in [0, 7, 9, 11] as [UInt16] where isAdmitted(tag, admission) {
            var packet = packet
            packet.outerVLAN = tag
            for choice in 0..<(1 << conditional.count) {
                for claim in [Claim(), nil] as [Claim?] {
                    let judgement = evaluator.judge(
                        packet, claiming: claim, entry: hop.entry, protects: tiny.protects[hop.entry],
                        direction: hop.direction,
                        isOwn: {
                            isFromHost && $0 == packet.source || isToHost && $0 == packet.destination
                        }, holds: { rank in choice >> (conditional.firstIndex(of: rank) ?? 0) & 1 == 1 })
                    let isOfGuard = judgement.reason.rawValue.hasPrefix("guard")
                    found.insert(judgement.verdict == .accept ? .accept : isOfGuard ? .guarded : .refusal)
                }
            }
        }
        return found
    }

    /// No opening packet has another tag.
    private func isAdmitted(_ tag: UInt16, _ admission: VLANAdmission) -> Bool {
        switch admission {
        case .none: tag == 0
        case .any: true
        case .list(let tags): tags.contains(tag)
        }
    }

    /// The packet that a failing assertion shows is judged as it says.
    func confirm(_ hop: AssertionProof.Hop, _ seed: UInt64) throws {
        let witness = hop.packet
        guard let source = witness.source, let destination = witness.destination else { return }
        let content = TinyWorld.Content(
            number: witness.content.number,
            first: [1, 58].contains(witness.content.number) ? witness.content.first >> 8 : witness.content.first,
            second: witness.content.second, headers: witness.content.headers)
        var packet = TinyWorld.packet(source, destination, content)
        packet.outerVLAN = witness.vlan
        packet.code = UInt8(witness.content.first & 255)
        let conditional = tiny.ruleset.rules.indices.filter { tiny.ruleset.rules[$0].asksOthers }
        let verdicts = (0..<(1 << conditional.count)).flatMap { choice in
            ([Claim(), nil] as [Claim?]).map { claim in
                evaluator.judge(
                    packet, claiming: claim, entry: hop.entry, protects: tiny.protects[hop.entry],
                    direction: hop.direction,
                    isOwn: {
                        witness.isFromHost && $0 == source || witness.isToHost && $0 == destination
                    }, holds: { rank in choice >> (conditional.firstIndex(of: rank) ?? 0) & 1 == 1 })
            }
        }
        try #require(
            verdicts.contains { $0.verdict == hop.verdict && $0.rule == hop.rule }, "seed \(seed): \(hop) \(verdicts)")
    }
}
