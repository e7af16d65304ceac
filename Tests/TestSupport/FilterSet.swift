// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Rules of the classic form: two prefixes, two port ranges and a protocol each; the first match decides.
public struct FilterSet: Sendable {
    public struct Filter: Sendable, Hashable {
        public var source: Prefix
        public var destination: Prefix
        public var sourcePorts: ClosedRange<UInt16>
        public var destinationPorts: ClosedRange<UInt16>
        /// nil is any protocol.
        public var ipProtocol: UInt8?

        public init(
            from source: Prefix, _ sourcePorts: ClosedRange<UInt16> = Filter.anyPort, to destination: Prefix,
            _ destinationPorts: ClosedRange<UInt16> = Filter.anyPort, ipProtocol: UInt8? = nil
        ) {
            self.source = source
            self.destination = destination
            self.sourcePorts = sourcePorts
            self.destinationPorts = destinationPorts
            self.ipProtocol = ipProtocol
        }

        public static let anyPort: ClosedRange<UInt16> = 0...UInt16.max
        private static let withPorts: [UInt8] = [6, 17, 132]

        /// The services of a rule. Ports belong to TCP, UDP and SCTP only.
        public var services: [Service]? {
            if sourcePorts == Filter.anyPort, destinationPorts == Filter.anyPort {
                return ipProtocol.map { [.protocol($0)] }
            }
            let numbers = Filter.withPorts.filter { ipProtocol == nil || ipProtocol == $0 }
            if let ipProtocol, numbers.isEmpty { return [.protocol(ipProtocol)] }
            return numbers.map { .ports(protocol: $0, destination: [destinationPorts], source: [sourcePorts]) }
        }

        /// Whether a TCP or UDP packet matches.
        func matches(_ probe: FilterProbe) -> Bool {
            source.contains(probe.source) && destination.contains(probe.destination)
                && (ipProtocol ?? probe.ipProtocol) == probe.ipProtocol && sourcePorts.contains(probe.sourcePort)
                && destinationPorts.contains(probe.destinationPort)
        }
    }

    public var name: String
    public var filters: [Filter]

    public init(name: String, filters: [Filter]) {
        self.name = name
        self.filters = filters
    }

    /// The filters of several sets, one set after the other.
    public init(name: String, joining sets: [FilterSet]) { self.init(name: name, filters: sets.flatMap(\.filters)) }

    /// A rule whose rank is a multiple of three drops; all others accept.
    public static func action(ofRank rank: Int) -> Action { rank % 3 == 0 ? .drop : .accept }

    /// A policy with these rules at one host port that drops by default.
    public var ruleset: Ruleset {
        let location = SourceLocation(file: name, line: 1, column: 1)
        let port = PortEntry(
            name: "port", location: location, selector: .interfaces(["port"]),
            defaults: .init(in: .drop, out: .drop, essentials: false, inLocation: location, outLocation: location))
        var sets: [Prefix: AddressSet] = [:]
        func set(_ prefix: Prefix) -> AddressSet? {
            if prefix.length == 0 { return nil }
            if let known = sets[prefix] { return known }
            let set = AddressSet([prefix])
            sets[prefix] = set
            return set
        }
        let rules = filters.enumerated().map { rank, filter in
            Rule(
                name: "r\(rank)", location: SourceLocation(file: name, line: rank + 1, column: 1),
                ends: [.init(from: set(filter.source), to: set(filter.destination))], services: filter.services,
                action: FilterSet.action(ofRank: rank))
        }
        return Ruleset(
            files: [SourceFile(name: name, text: "# \(name)\n")], entries: [port], groups: [], rules: rules)
    }

    /// The first filter that matches a probe, by a linear search.
    public func firstMatch(_ probe: FilterProbe) -> Int? { filters.firstIndex { $0.matches(probe) } }
}

/// A TCP or UDP packet, and the first filter that matches it.
public struct FilterProbe: Sendable {
    public var source: IPAddress
    public var destination: IPAddress
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var ipProtocol: UInt8
    /// nil if no filter matches.
    public var firstMatch: Int?

    public init(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ destinationPort: UInt16,
        ipProtocol: UInt8, firstMatch: Int? = nil
    ) {
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.ipProtocol = ipProtocol
        self.firstMatch = firstMatch
    }

    public var frame: Frame {
        Frame(
            Datagram(
                source, destination,
                ipProtocol == 6 ? .tcp(sourcePort, destinationPort) : .udp(sourcePort, destinationPort)))
    }
}

// MARK: The same in IPv6

/// IPv4 filters as IPv6 filters that tell the same packets apart: the address follows 2001:db8::/32, and for a host it
/// is repeated in the last bits.
extension IPAddress {
    public var inIPv6: IPAddress {
        IPAddress(v6: UInt128(0x2001_0db8) << 96 | value << 64 | value &* 0x9e37_79b9 & 0xffff_ffff)
    }
}

extension Prefix {
    public var inIPv6: Prefix {
        switch length {
        case 0: Prefix(IPAddress(v6: 0), length: 0)
        case 32: Prefix(address.inIPv6)
        default: Prefix(address.inIPv6, length: 32 + length)
        }
    }
}

extension FilterSet {
    public var inIPv6: FilterSet {
        FilterSet(
            name: name + "-v6",
            filters: filters.map { filter in
                var filter = filter
                filter.source = filter.source.inIPv6
                filter.destination = filter.destination.inIPv6
                return filter
            })
    }
}

extension FilterProbe {
    public var inIPv6: FilterProbe {
        var probe = self
        probe.source = source.inIPv6
        probe.destination = destination.inIPv6
        return probe
    }
}

// MARK: Text

extension FilterSet {
    /// The rules as a policy's text, at one host port.
    public func policy(interface: String) -> String {
        var text = "version: 1\nports:\n  uplink: { interface: \(interface), protects: host }\n"
        text += "defaults: { in: drop, out: drop, essentials: off }\nrules:\n"
        for (rank, filter) in filters.enumerated() {
            text += "  - { name: r\(rank)"
            if filter.source.length > 0 { text += ", from: \"\(filter.source)\"" }
            if filter.destination.length > 0 { text += ", to: \"\(filter.destination)\"" }
            if let services = filter.services { text += ", service: \(FilterSet.words(services))" }
            text += ", action: \(FilterSet.action(ofRank: rank)) }\n"
        }
        return text
    }

    private static func words(_ services: [Service]) -> String {
        let words = services.map { service in
            guard case .ports(_, let destination, let source) = service, source[0] != Filter.anyPort else {
                return service.description
            }
            let name = service.description.split(separator: "/")[0]
            let ends = [destination[0], source[0]].map { "\"\($0.lowerBound)-\($0.upperBound)\"" }
            return "{ protocol: \(name), ports: [\(ends[0])], sourcePorts: [\(ends[1])] }"
        }
        return words.count == 1 ? words[0] : "[\(words.joined(separator: ", "))]"
    }
}

// MARK: Copies

extension FilterSet {
    /// The same rules at other addresses: the first sixteen bits of each differ, those of a copy in the same way.
    public func moved(_ copy: Int) -> FilterSet {
        let change = UInt128(UInt16(truncatingIfNeeded: copy * 40503)) << 16
        func moved(_ prefix: Prefix) -> Prefix {
            let open = UInt128(UInt32.max) >> UInt128(prefix.length)
            return Prefix(IPAddress(v4: UInt32((prefix.first ^ change) & ~open)), length: prefix.length)
        }
        return FilterSet(
            name: "\(name)-\(copy)",
            filters: filters.map { filter in
                var filter = filter
                filter.source = moved(filter.source)
                filter.destination = moved(filter.destination)
                return filter
            })
    }
}
