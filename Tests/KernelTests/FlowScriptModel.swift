// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

extension FlowScript {
    /// Asks the model about the same packets. It has room for every flow, and says nothing of the table.
    func runModel(sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
        var ruleset = try Simulation.ruleset(policy)
        var model = ReferenceWorlds(ReferenceFlows(ruleset, adopts: adopts))
        for (number, step) in steps.enumerated() {
            switch step {
            case .frame(let frame, let port, let direction, let expected),
                .cutOff(let frame, let port, let direction, let expected):
                var isCutOff = false
                if case .cutOff = step { isCutOff = true }
                let entry = try #require(ruleset.entries.firstIndex { $0.name == port })
                let packet = PacketParser.parse(frame.bytes, frameLength: frame.bytes.count)
                let judgement = model.judge(
                    packet, quoting: PacketParser.quotation(in: frame.bytes, of: packet),
                    claiming: packet.claim(in: frame.bytes),
                    at: .init(
                        scope: entry, entry: entry, protects: port == "nic" ? .host : .workload,
                        isQuarantined: isCutOff),
                    direction: direction
                ) { Self.words($0) == expected }
                #expect(
                    Self.words(judgement) == expected, "\(testDescription), step \(number + 1): \(frame)",
                    sourceLocation: sourceLocation)
            case .swap(let text):
                ruleset = try Simulation.ruleset(text)
                model.use(ruleset)
            case .pass(let seconds): model.pass(seconds: seconds)
            case .add(let words, let group, let seconds):
                let prefixes = try words.map { try Prefix(parsing: $0) }
                model.change(group) { members in for prefix in prefixes { members.add(prefix, seconds: seconds) } }
            case .delete(let words, let group):
                let prefixes = try words.map { try Prefix(parsing: $0) }
                model.change(group) { members in for prefix in prefixes { members.delete(prefix) } }
            case .own(let words): model.setOwn(Set(try words.map { try Prefix(parsing: $0) }))
            case .flows: break
            }
        }
    }

    private static func words(_ judgement: Judgement) -> String {
        "\(judgement.verdict.rawValue) \(judgement.reason.rawValue)"
    }
}
