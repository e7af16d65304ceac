// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Network
import Testing

@testable import Compiler
@testable import Policy

/// A policy over a limit is refused with the dimension, its figure, and the rule that adds the most to it.
@Suite struct LimitsTests {
    private struct Case: CustomTestStringConvertible, Sendable {
        var dimension: String
        var figure: Int
        var limit: WritableKeyPath<Limits, Int> & Sendable
        var rule: String?

        var testDescription: String { dimension }
    }

    private static let cases = [
        Case(dimension: "rules", figure: 5, limit: \.rules, rule: "wide"),
        Case(dimension: "rules with a limit per rule", figure: 2, limit: \.limitedRules, rule: "tagged"),
        Case(dimension: "port records", figure: 4, limit: \.portRecords),
        Case(dimension: "files", figure: 1, limit: \.files),
        Case(dimension: "bytes of policy text", figure: 11, limit: \.imageBytes),
        Case(
            dimension: "classes of ports, directions and VLAN tags", figure: 4, limit: \.tableEntries,
            rule: "tagged"),
        Case(dimension: "classes of one protocol's ports or types", figure: 2, limit: \.keyClasses, rule: "ports"),
        Case(dimension: "pairs of address classes", figure: 3, limit: \.cells, rule: "narrow"),
        Case(
            dimension: "memberships of 4 address classes in 2 overlapping sets", figure: 4, limit: \.memberships,
            rule: "wide"),
    ]

    /// A figure one over the limit is refused; a figure at the limit is not, for this dimension.
    @Test(arguments: cases) private func isRefusedByName(tried: Case) throws {
        var limits = Limits()
        limits[keyPath: tried.limit] = tried.figure - 1
        let error = try #require(Self.refusal(limits))
        #expect(error.message.contains("\(tried.figure) \(tried.dimension)"), "\(error.message)")
        #expect(error.message.contains("at most \(tried.figure - 1)"), "\(error.message)")
        #expect(error.rule == tried.rule, "\(error.message)")
        #expect(error.location == tried.rule.map { rule in Self.rules.first { $0.name == rule }!.location })
        limits[keyPath: tried.limit] = tried.figure
        #expect(Self.refusal(limits)?.message.contains(tried.dimension) != true)
    }

    /// The limits that the policy's reader checks are those of the image.
    @Test func thePolicyHasTheImagesLimits() {
        #expect(Rule.mostQuestions == Int(BH_LITERALS_MAX))
        #expect(DynamicGroup.largestMaximum == Int(BH_MEMBERS_MAX))
        #expect(DynamicGroup.most == Int(BH_GROUPS_MAX))
        #expect(ConnectionsSyntax.most == Int(BH_CONNECTIONS_MAX))
    }

    /// Tables that grow with the rules. The limit is raised to what each refused table needs, until the next one is
    /// refused.
    @Test func tablesAreRefusedByName() throws {
        let networks = (0..<3000 as Range<UInt128>).map {
            Prefix(IPAddress(v6: 0x2001_0db8 << 96 | $0 << 80 | $0 << 64), length: 64)
        }
        var ruleset = Self.ruleset
        ruleset.rules.append(
            Rule(
                name: "networks", location: Self.location(7), ends: [.init(from: AddressSet(networks), to: nil)],
                action: .drop))
        for port in 100..<300 as Range<UInt16> {
            ruleset.rules.append(
                Rule(
                    name: "port-\(port)", location: Self.location(8),
                    services: [
                        .ports(protocol: 17, destination: [port...port], source: [0...(port == 100 ? 1023 : .max)])
                    ],
                    action: .accept))
        }
        let expected: [Substring] = [
            "classes of ports, directions and VLAN tags", "service classes of one protocol",
            "pairs of place and service class", "words of rule bitmaps", "address nodes", "values of address nodes",
        ]
        #expect(try Self.refusedTables(ruleset) == expected)
    }

    /// Rules that do not fit into the entries of short lists have a row of bits each.
    @Test func rowsOfBitsAreRefusedByName() throws {
        var ruleset = Self.ruleset
        for number in 0..<200 as Range<UInt8> {
            let address = Prefix(IPAddress(v4: 0xc612_0000 + UInt32(number)))
            ruleset.rules.append(
                Rule(
                    name: "ping-\(number)", location: Self.location(7),
                    ends: [.init(from: AddressSet([address]), to: nil)],
                    services: [.icmp(.v4, type: number, code: nil)], action: .accept))
        }
        let refused = try Self.refusedTables(ruleset)
        #expect(refused.contains("words of rule bitmaps in the image"), "\(refused)")
    }

    /// The tables that are refused in turn, while the limit is raised to what the one before needed.
    private static func refusedTables(_ ruleset: Ruleset) throws -> [Substring] {
        var limits = Limits()
        limits.tableEntries = 1
        var refused: [Substring] = []
        while let error = refusal(limits, ruleset) {
            let words = try #require(error.message.wholeMatch(of: /the policy is too large: (\d+) (.*), at most .*/))
            #expect(error.rule != nil, "\(error.message)")
            refused.append(words.2)
            let figure = try #require(Int(words.1))
            try #require(figure > limits.tableEntries)
            limits.tableEntries = figure
        }
        return refused
    }

    private static func refusal(_ limits: Limits, _ ruleset: Ruleset = ruleset) -> CompileError? {
        do {
            _ = try Compiler(limits: limits).compile(ruleset)
            return nil
        } catch {
            return error
        }
    }

    @Test func theImageIsRefusedByItsSize() throws {
        let size = try Compiler().compile(Self.ruleset).bytes.count
        var limits = Limits()
        limits.imageBytes = size / 2
        let error = try #require(Self.refusal(limits))
        #expect(error.message.contains("bytes of image, at most \(size / 2)"))
        #expect(error.rule == "wide")
        limits.imageBytes = size
        #expect(try Compiler(limits: limits).compile(Self.ruleset).bytes.count == size)
    }

    private static func location(_ line: Int) -> Policy.SourceLocation {
        .init(file: "policy.yaml", line: line, column: 5)
    }

    private static let rules: [Rule] = {
        let narrow = AddressSet([Prefix("192.0.2.0", length: 24)])
        let wide = AddressSet([
            Prefix("192.0.2.128", length: 25), Prefix("198.51.100.0", length: 24), Prefix("2001:db8::", length: 32),
        ])
        let ports: [ClosedRange<UInt16>] = [10...15, 20...25, 30...35]
        return [
            Rule(name: "narrow", location: location(2), ends: [.init(from: narrow, to: narrow)], action: .drop),
            Rule(
                name: "counted", location: location(3), action: .accept, limit: RuleLimit(rate: 1, period: .second)),
            Rule(
                name: "tagged", location: location(4), vlans: [1, 2, 3], entries: [0], action: .accept,
                limit: RuleLimit(rate: 1, period: .second)),
            Rule(
                name: "ports", location: location(5),
                services: [.ports(protocol: 6, destination: ports, source: [0...UInt16.max])], action: .accept),
            Rule(name: "wide", location: location(6), ends: [.init(from: wide, to: wide)], action: .accept),
        ]
    }()

    private static let ruleset: Ruleset = {
        let entries = ["nic", "tap"].map {
            PortEntry(
                name: $0, location: location(1), selector: .interfaces([$0]),
                defaults: .init(
                    in: .drop, out: .drop, essentials: true, inLocation: location(1), outLocation: location(1)))
        }
        return Ruleset(
            files: [SourceFile(name: "policy.yaml", text: "version: 1\n")], entries: entries, groups: [], rules: rules)
    }()
}
