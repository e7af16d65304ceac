// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy

/// A ClassBench filter set with its probes, from the folder in BULKHEAD_CORPORA.
public struct ClassBench: Sendable {
    public var filters: FilterSet
    /// TCP and UDP only, because the other probes have ports that no real packet of their protocol has.
    public var probes: [FilterProbe]

    public var ruleset: Ruleset { filters.ruleset }

    /// The folder of the corpora; nil if the variable is not set.
    public static var folder: String? { ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"] }

    private static let seeds = [
        "acl1", "acl2", "acl3", "acl4", "acl5", "fw1", "fw2", "fw3", "fw4", "fw5", "ipc1", "ipc2",
    ]
    /// The names of the sets with about 1,000 rules, and of those with about 10,000.
    public static let small = seeds.map { $0 + "_1k" }
    public static let large = seeds.map { $0 + "_10k" }

    /// Reads a set by its name, for example `acl1_1k`.
    public init(_ name: String, from folder: String) throws {
        filters = try ClassBench.filters(name, from: folder)
        let probes = try Shell.check("gzip", "-dc", "\(folder)/classbench/\(name)_probes.tsv.gz")
        self.probes = try probes.split(separator: "\n").compactMap { line in try ClassBench.probe(line) }
    }

    /// All large sets, one after the other, with some 100,000 rules.
    public static func joined(from folder: String) throws -> FilterSet {
        FilterSet(name: "classbench-joined", joining: try large.map { try filters($0, from: folder) })
    }

    public static func filters(_ name: String, from folder: String) throws -> FilterSet {
        let lines = try Shell.check("gzip", "-dc", "\(folder)/classbench/\(name).gz")
        return FilterSet(name: name, filters: try lines.split(separator: "\n").map { try ClassBench.filter($0) })
    }

    private static func filter(_ line: Substring) throws -> FilterSet.Filter {
        let fields = line.dropFirst().split(separator: "\t").map(String.init)
        guard fields.count >= 5 else { throw CommandFailure(description: "not a ClassBench rule: \(line)") }
        let numbers = fields[4].split(separator: "/").compactMap { UInt8($0.dropFirst(2), radix: 16) }
        guard numbers.count == 2 else { throw CommandFailure(description: "not a protocol: \(fields[4])") }
        return FilterSet.Filter(
            from: try Prefix(parsing: fields[0]), try range(fields[2]), to: try Prefix(parsing: fields[1]),
            try range(fields[3]), ipProtocol: numbers[1] == 0 ? nil : numbers[0])
    }

    private static func range(_ text: String) throws -> ClosedRange<UInt16> {
        let ends = text.split(separator: ":").compactMap { UInt16($0.trimmingCharacters(in: .whitespaces)) }
        guard ends.count == 2, ends[0] <= ends[1] else { throw CommandFailure(description: "not a range: \(text)") }
        return ends[0]...ends[1]
    }

    private static func probe(_ line: Substring) throws -> FilterProbe? {
        let fields = line.split(separator: "\t").compactMap { Int($0) }
        guard fields.count == 6 else { throw CommandFailure(description: "not a probe: \(line)") }
        guard fields[4] == 6 || fields[4] == 17 else { return nil }
        return FilterProbe(
            from: IPAddress(v4: UInt32(fields[0])), UInt16(fields[2]), to: IPAddress(v4: UInt32(fields[1])),
            UInt16(fields[3]), ipProtocol: UInt8(fields[4]), firstMatch: fields[5] < 0 ? nil : fields[5])
    }
}
