// SPDX-License-Identifier: Apache-2.0
import Analysis
import Compiler
import Network
import Policy
import Simulation
import TestSupport
import Testing
import Wire

/// The packets that failing assertions and changes of traffic show get the verdicts that are said from the kernel's own
/// programs.
@Suite(.serialized) struct KernelConfirmTests {
    @Test func counterexamplesAreReal() throws {
        let policies = UInt64(Seed.count("BULKHEAD_POLICIES", usual: 30))
        var confirmed = 0
        for seed in 1000..<1000 + policies {
            var tiny = TinyPolicy(seed: seed, hasConditions: seed % 2 == 0)
            tiny.ruleset.assertions = [
                Assertion(name: "closed", location: SourceLocation(file: "t", line: 1, column: 1), expect: .drop),
                Assertion(name: "open", location: SourceLocation(file: "t", line: 2, column: 1), expect: .accept),
            ]
            let image = try Compiler().compile(tiny.ruleset)
            let simulator = try Simulator(image: image)
            for proof in Prover(tiny.ruleset, protects: tiny.protects).proofs() {
                guard case .fails(let hops) = proof.outcome else { continue }
                for hop in hops where !hop.isConditional {
                    guard let frame = frame(hop.packet) else { continue }
                    try simulator.forgetTraffic()
                    try simulator.setOwn(own(hop.packet))
                    let record = image.portRecord(
                        entry: hop.entry, protects: tiny.protects[hop.entry], unknownToDrop: false)
                    let outcome = try simulator.judge(
                        frame: frame, portRecord: record, direction: hop.direction)
                    if outcome.reason == .essential { continue }
                    try #require(
                        outcome.verdict == hop.verdict && outcome.rule == hop.rule,
                        "seed \(seed): \(hop) \(outcome)\n\(tiny.ruleset)")
                    confirmed += 1
                }
            }
        }
        print("confirmed by the kernel: \(confirmed)")
        #expect(confirmed > 2 * Int(policies) / 3)
    }

    private func own(_ packet: Witness) -> Set<Prefix> {
        Set(
            [packet.isFromHost ? packet.source : nil, packet.isToHost ? packet.destination : nil]
                .compactMap { $0.map { Prefix($0) } })
    }

    /// nil where no plain frame carries it.
    private func frame(_ packet: Witness) -> [UInt8]? {
        guard let source = packet.source, let destination = packet.destination, packet.content.headers.isEmpty else {
            return nil
        }
        let content = packet.content
        let service: ProbeService
        switch (content.number, source.family) {
        case (6, _): service = .tcp(port: content.first)
        case (17, _): service = .udp(port: content.first)
        case (132, _): service = .sctp(port: content.first)
        case (1, .v4), (58, .v6):
            service = .icmp(type: UInt8(content.first >> 8), code: UInt8(content.first & 255))
        default: service = .other(protocol: content.number)
        }
        return ProbeFrame(
            source: source, destination: destination, sourceMAC: MACAddress(0x0200_0000_0001),
            destinationMAC: MACAddress(0x0200_0000_0002), service: service, sourcePort: content.second,
            vlan: packet.vlan == 0 ? nil : packet.vlan
        ).bytes
    }
}
