// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy
import Reference
import TestSupport
import Testing

/// The limit of conditional rules that a packet may have to try.
@Suite struct TriesTests {
    private static let place = Policy.SourceLocation(file: "policy.yaml", line: 1, column: 1)

    private static func ruleset(_ rules: [Rule]) -> Ruleset {
        let port = PortEntry(
            name: "nic", location: place, selector: .interfaces(["nic0"]),
            defaults: .init(in: .drop, out: .drop, essentials: true, inLocation: place, outLocation: place))
        return Ruleset(files: [SourceFile(name: "policy.yaml", text: "")], entries: [port], groups: [], rules: rules)
    }

    private static func limited(_ number: Int, to port: UInt16?) -> Rule {
        Rule(
            name: "r\(number)", location: .init(file: "policy.yaml", line: number + 1, column: 5),
            services: port.map { [.ports(protocol: 6, destination: [$0...$0], source: [0...UInt16.max])] },
            action: .accept, limit: RuleLimit(rate: number + 1, period: .second))
    }

    @Test func sixteenAreTried() throws {
        let image = try Compiler().compile(Self.ruleset((0..<16).map { Self.limited($0, to: 80) }))
        let view = try ImageView(image.bytes)
        let frame = Frame(Datagram("192.0.2.1", "192.0.2.2", .tcp(40000, 80)))
        let packet = PacketParser.parse(frame.bytes, frameLength: frame.bytes.count)
        var asked: [Int] = []
        let judgement = view.judge(
            packet: packet, portRecord: 0, direction: .in,
            holds: { rank in
                asked.append(rank)
                return false
            })
        #expect(judgement == Judgement(.drop, .default))
        #expect(asked == Array(0..<16))
    }

    @Test func moreAreRefusedByName() {
        let rules = (0..<17).map { Self.limited($0, to: $0 % 2 == 0 ? nil : 80) }
        let names = (0..<17).map { "r\($0)" }.joined(separator: ", ")
        #expect(
            throws: CompileError(
                rule: "r16", location: .init(file: "policy.yaml", line: 17, column: 5),
                message:
                    "one packet could match 17 rules with a condition (\"limit\", \"connections\", \"starts\", "
                    + "\"expires\", \"match\", a MAC address, a dynamic group, \"log\", \"pass\") before a rule "
                    + "decides, at most 16 are allowed: " + names)
        ) { try Compiler().compile(Self.ruleset(rules)) }
    }

    /// Rules that no packet matches together do not add up, and an unconditional rule ends the search.
    @Test func onlyWhatOnePacketMatchesCounts() throws {
        _ = try Compiler().compile(Self.ruleset((0..<1000).map { Self.limited($0, to: UInt16($0)) }))
        var rules = (0..<40).map { Self.limited($0, to: 80) }
        rules[10] = Rule(name: "all", location: Self.place, action: .drop)
        _ = try Compiler().compile(Self.ruleset(rules))
    }
}
