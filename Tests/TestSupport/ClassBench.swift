import Foundation
import Network
import Policy

/// A ClassBench filter set and its probes, from the folder that BULKHEAD_CORPORA names.
public struct ClassBench: Sendable {
    /// A packet and the rule that takes it first.
    public struct Probe: Sendable {
        public var source: IPAddress
        public var destination: IPAddress
        public var sourcePort: UInt16
        public var destinationPort: UInt16
        public var ipProtocol: UInt8
        /// nil where no rule matches.
        public var firstMatch: Int?
    }

    public var ruleset: Ruleset
    /// TCP and UDP only: the others' ports are none that a real packet has.
    public var probes: [Probe]

    /// The folder of the corpora; nil where the variable is not set.
    public static var folder: String? { ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"] }

    /// Reads a set, `acl1_1k` for example. A rule has the verdict `drop` where its rank is a multiple of three, else `accept`.
    public init(_ name: String, from folder: String) throws {
        let rules = try Shell.check("gzip", "-dc", "\(folder)/classbench/\(name).gz")
        let probes = try Shell.check("gzip", "-dc", "\(folder)/classbench/\(name)_probes.tsv.gz")
        let location = SourceLocation(file: name, line: 1, column: 1)
        let port = PortEntry(
            name: "port", location: location, selector: .interfaces(["port"]),
            defaults: .init(in: .drop, out: .drop, essentials: false, inLocation: location, outLocation: location))
        ruleset = Ruleset(
            files: [SourceFile(name: name, text: rules)], entries: [port], groups: [],
            rules: try rules.split(separator: "\n").enumerated().map { rank, line in
                try ClassBench.rule(String(line), rank: rank, file: name)
            })
        self.probes = try probes.split(separator: "\n").compactMap { line in try ClassBench.probe(String(line)) }
    }

    private static func rule(_ line: String, rank: Int, file: String) throws -> Rule {
        let fields = line.dropFirst().split(separator: "\t").map(String.init)
        guard fields.count >= 5 else { throw CommandFailure(description: "not a ClassBench rule: \(line)") }
        let ends = Rule.Ends(from: try set(fields[0]), to: try set(fields[1]))
        return Rule(
            name: "r\(rank)", location: SourceLocation(file: file, line: rank + 1, column: 1), ends: [ends],
            services: try services(fields[4], source: try range(fields[2]), destination: try range(fields[3])),
            action: rank % 3 == 0 ? .drop : .accept)
    }

    private static func set(_ text: String) throws -> AddressSet? {
        let prefix = try Prefix(parsing: text)
        return prefix.length == 0 ? nil : AddressSet([prefix])
    }

    private static func range(_ text: String) throws -> ClosedRange<UInt16> {
        let ends = text.split(separator: ":").compactMap { UInt16($0.trimmingCharacters(in: .whitespaces)) }
        guard ends.count == 2, ends[0] <= ends[1] else { throw CommandFailure(description: "not a range: \(text)") }
        return ends[0]...ends[1]
    }

    private static func services(
        _ text: String, source: ClosedRange<UInt16>, destination: ClosedRange<UInt16>
    ) throws -> [Service]? {
        let fields = text.split(separator: "/").compactMap { UInt8($0.dropFirst(2), radix: 16) }
        guard fields.count == 2 else { throw CommandFailure(description: "not a protocol: \(text)") }
        let all: ClosedRange<UInt16> = 0...UInt16.max
        let withPorts: [UInt8] = fields[1] == 0 ? [6, 17, 132] : [6, 17, 132].filter { $0 == fields[0] }
        if source == all, destination == all { return fields[1] == 0 ? nil : [.protocol(fields[0])] }
        if withPorts.isEmpty { return [.protocol(fields[0])] }
        return withPorts.map { .ports(protocol: $0, destination: [destination], source: [source]) }
    }

    private static func probe(_ line: String) throws -> Probe? {
        let fields = line.split(separator: "\t").compactMap { Int($0) }
        guard fields.count == 6 else { throw CommandFailure(description: "not a probe: \(line)") }
        guard fields[4] == 6 || fields[4] == 17 else { return nil }
        return Probe(
            source: IPAddress(v4: UInt32(fields[0])), destination: IPAddress(v4: UInt32(fields[1])),
            sourcePort: UInt16(fields[2]), destinationPort: UInt16(fields[3]), ipProtocol: UInt8(fields[4]),
            firstMatch: fields[5] < 0 ? nil : fields[5])
    }
}

extension ClassBench.Probe {
    public var frame: Frame {
        Frame(
            Datagram(
                source, destination,
                ipProtocol == 6 ? .tcp(sourcePort, destinationPort) : .udp(sourcePort, destinationPort)))
    }
}
