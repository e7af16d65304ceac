// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Testing
import Wire

/// The entries at which the compiler finds that traffic other than TCP needs no flows.
@Suite struct SymmetryTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var rules: [Rule] = []
        var defaults: (in: Action, out: Action) = (.drop, .drop)
        var adopt = 120
        /// The names of such entries, of the two entries `a` and `b`.
        var symmetric: [String]
    }

    private static let place = Policy.SourceLocation(file: "policy.yaml", line: 1, column: 1)
    private static let all: ClosedRange<UInt16> = 0...UInt16.max

    private static func rule(
        _ action: Action, _ services: [Service]? = nil, at entries: Set<Int>? = nil, from: AddressSet? = nil,
        directions: Directions = .both, stateless: Bool = false, limit: RuleLimit? = nil,
        expires: Timestamp? = nil, log: Bool? = nil, vlans: Set<UInt16>? = nil
    ) -> Rule {
        Rule(
            name: "r", location: place, ends: [.init(from: from, to: nil)], services: services, vlans: vlans,
            directions: directions, entries: entries, action: action, isStateless: stateless, limit: limit,
            expires: expires, log: log)
    }

    private static func ports(_ number: UInt8) -> [Service] {
        [.ports(protocol: number, destination: [80...80], source: [all])]
    }

    private static let some = AddressSet([Prefix("192.0.2.0" as IPAddress, length: 24)])
    private static let open: (in: Action, out: Action) = (.accept, .accept)

    private static let cases: [Case] = [
        Case(testDescription: "a rule for everything", rules: [rule(.accept)], symmetric: ["a", "b"]),
        Case(testDescription: "at one port", rules: [rule(.accept, at: [1])], symmetric: ["b"]),
        Case(testDescription: "defaults", defaults: open, symmetric: ["a", "b"]),
        Case(testDescription: "one default", defaults: (.accept, .drop), symmetric: []),
        Case(testDescription: "TCP before it", rules: [rule(.drop, ports(6)), rule(.accept)], symmetric: ["a", "b"]),
        Case(
            testDescription: "TCP by its number before it", rules: [rule(.drop, [.protocol(6)]), rule(.accept)],
            symmetric: ["a", "b"]),
        Case(
            testDescription: "non-IP frames before it", rules: [rule(.accept, [.ethertype(0x88cc)])], defaults: open,
            symmetric: ["a", "b"]),
        Case(
            testDescription: "an empty set before it", rules: [rule(.drop, from: AddressSet([]))], defaults: open,
            symmetric: ["a", "b"]),
        Case(testDescription: "UDP before it", rules: [rule(.drop, ports(17)), rule(.accept)], symmetric: []),
        Case(testDescription: "UDP after it", rules: [rule(.accept), rule(.drop, ports(17))], symmetric: ["a", "b"]),
        Case(
            testDescription: "UDP and TCP before it", rules: [rule(.drop, ports(6) + ports(17))], defaults: open,
            symmetric: []),
        Case(
            testDescription: "ICMP before it", rules: [rule(.accept, [.icmp(.v4, type: 8, code: nil)])], defaults: open,
            symmetric: []),
        Case(
            testDescription: "UDP at the other port", rules: [rule(.drop, ports(17), at: [0])], defaults: open,
            symmetric: ["b"]),
        Case(testDescription: "a source before it", rules: [rule(.drop, from: some)], defaults: open, symmetric: []),
        Case(testDescription: "a source", rules: [rule(.accept, from: some)], symmetric: []),
        Case(
            testDescription: "one direction", rules: [rule(.accept, directions: [.in])], defaults: open, symmetric: []),
        Case(testDescription: "a VLAN", rules: [rule(.accept, vlans: [7])], symmetric: []),
        Case(testDescription: "a limit", rules: [rule(.accept, limit: .init(rate: 1, period: .second))], symmetric: []),
        Case(testDescription: "an expiry", rules: [rule(.accept, expires: .init(nanoseconds: 1))], symmetric: []),
        Case(testDescription: "events", rules: [rule(.accept, log: true)], symmetric: []),
        Case(testDescription: "rejecting", defaults: (.reject, .reject), symmetric: []),
        Case(testDescription: "nothing is adopted", rules: [rule(.accept)], adopt: 0, symmetric: []),
    ]

    @Test(arguments: cases) func isFound(example: Case) throws {
        let entries = ["a", "b"].map { name in
            PortEntry(
                name: name, location: Self.place, selector: .interfaces([name]),
                defaults: .init(
                    in: example.defaults.in, out: example.defaults.out, essentials: true, inLocation: Self.place,
                    outLocation: Self.place))
        }
        let image = try Compiler().compile(
            Ruleset(
                files: [SourceFile(name: "policy.yaml", text: "")], entries: entries, groups: [], rules: example.rules,
                adopt: example.adopt))
        let view = try ImageView(image.bytes)
        let found = (0..<view.portCount).compactMap { view.port($0) }.filter(\.isSymmetric)
        #expect(found.allSatisfy { $0.passesUntracked })
        #expect(Set(found.map(\.name)) == Set(example.symmetric))
    }
}
