// SPDX-License-Identifier: Apache-2.0
import Network

/// Generates filter sets like ClassBench's from a seed, of any size: few sites that many rules share, nested prefixes,
/// and a few popular services, in the proportions of each kind.
public struct FilterGenerator {
    public enum Kind: String, Sendable, CaseIterable {
        /// Access lists: from hosts and networks to the ports of servers.
        case acl
        /// Firewalls: many wildcards on both sides, and ranges of source ports.
        case fw
        /// The chains of a host's own filter, which are between the two.
        case ipc
    }

    /// Probabilities in percent.
    private struct Shape {
        /// Prefix lengths of source and destination: any, 8-15, 16-23, 24-31, 32.
        var source: [Int]
        var destination: [Int]
        /// Source and destination ports: any, 1024-65535, one, a range.
        var sourcePorts: [Int]
        var destinationPorts: [Int]
        /// TCP, UDP, ICMP, any.
        var protocols: [Int]
    }

    private let shape: Shape
    private var random: RandomNumbers
    /// The first sixteen bits of each site's addresses.
    private let sites: [UInt32]
    private let ports: [UInt16]

    private init(_ kind: Kind, count: Int, seed: UInt64) {
        shape =
            switch kind {
            case .acl:
                Shape(
                    source: [6, 1, 10, 33, 50], destination: [1, 0, 4, 35, 60], sourcePorts: [100, 0, 0, 0],
                    destinationPorts: [12, 8, 60, 20], protocols: [80, 14, 4, 2])
            case .fw:
                Shape(
                    source: [30, 2, 8, 25, 35], destination: [20, 2, 8, 25, 45], sourcePorts: [70, 8, 17, 5],
                    destinationPorts: [30, 10, 45, 15], protocols: [62, 28, 4, 6])
            case .ipc:
                Shape(
                    source: [8, 2, 25, 30, 35], destination: [8, 2, 25, 30, 35], sourcePorts: [60, 12, 20, 8],
                    destinationPorts: [35, 12, 40, 13], protocols: [55, 32, 7, 6])
            }
        var random = RandomNumbers(seed: seed)
        sites = (0..<max(16, count / 400)).map { _ in UInt32(random.number(1 << 8...223 << 8)) }
        ports = (0..<120).map { _ in UInt16(random.number(1...9999)) }
        self.random = random
    }

    /// Distinct filters, which depend on the seed alone.
    public static func filters(_ kind: Kind, count: Int, seed: UInt64) -> FilterSet {
        var generator = FilterGenerator(kind, count: count, seed: seed)
        var seen: Set<FilterSet.Filter> = []
        var filters: [FilterSet.Filter] = []
        filters.reserveCapacity(count)
        while filters.count < count {
            let filter = generator.filter()
            if seen.insert(filter).inserted { filters.append(filter) }
        }
        // Narrow filters first, as people write them; otherwise the wide ones would hide them.
        let ordered = filters.enumerated().sorted { ($0.element.breadth, $0.offset) < ($1.element.breadth, $1.offset) }
        return FilterSet(name: "\(kind.rawValue)-\(count)-\(seed)", filters: ordered.map(\.element))
    }

    private mutating func filter() -> FilterSet.Filter {
        let numbers: [UInt8?] = [6, 17, 1, nil]
        let number = numbers[choose(shape.protocols)]
        let hasPorts = number == 6 || number == 17
        let any = FilterSet.Filter.anyPort
        return FilterSet.Filter(
            from: prefix(shape.source), hasPorts ? ports(shape.sourcePorts, of: 12) : any,
            to: prefix(shape.destination), hasPorts ? ports(shape.destinationPorts, of: 120) : any,
            ipProtocol: number)
    }

    /// A random index, with weights that add up to a hundred.
    private mutating func choose(_ weights: [Int]) -> Int {
        var rest = random.number(0...99)
        for (index, weight) in weights.enumerated() {
            if rest < weight { return index }
            rest -= weight
        }
        return weights.count - 1
    }

    /// A random number below `count`; low numbers are more likely.
    private mutating func skewed(_ count: Int) -> Int {
        let part = Double(random.number(0...(1 << 20) - 1)) / Double(1 << 20)
        return Int(part * part * Double(count))
    }

    private mutating func prefix(_ weights: [Int]) -> Prefix {
        let lengths = [0...0, 8...15, 16...23, 24...31, 32...32]
        let length = random.number(lengths[choose(weights)])
        // A site's subnets in use are scattered over it, as are the hosts of a subnet.
        let site = sites[skewed(sites.count)]
        let subnet = UInt32(skewed(48) * 37 & 255)
        let host = UInt32(skewed(64) * 53 & 255)
        return Prefix(IPAddress(v4: site << 16 | subnet << 8 | host), length: length)
    }

    /// - Parameter count: The number of ports in use.
    private mutating func ports(_ weights: [Int], of count: Int) -> ClosedRange<UInt16> {
        switch choose(weights) {
        case 0: return FilterSet.Filter.anyPort
        case 1: return 1024...UInt16.max
        case 2:
            let port = ports[skewed(count)]
            return port...port
        default:
            // Only few ranges are in use.
            let low = ports[skewed(min(count, 20))]
            return low...(low + 99)
        }
    }
}

extension FilterSet.Filter {
    /// The number of bits that it leaves open in addresses and ports.
    fileprivate var breadth: Int {
        let ports = [sourcePorts, destinationPorts].reduce(0) { $0 + UInt32($1.count).trailingBits }
        return 64 - source.length - destination.length + ports
    }
}

extension UInt32 {
    /// The number of bits that a number below it needs.
    fileprivate var trailingBits: Int { UInt32.bitWidth - (self - 1).leadingZeroBitCount }
}

extension FilterSet {
    /// Packets at the edges of some filters, each with its first match. The search is linear in the number of filters.
    public func probes(_ count: Int, seed: UInt64) -> [FilterProbe] {
        var random = RandomNumbers(seed: seed)
        return (0..<count).map { _ in
            let near = random.pick(filters)
            var other = random.once(in: 4) ? random.pick(filters) : near
            if other.source.family != near.source.family { other = near }
            var probe = FilterProbe(
                from: FilterSet.edge(near.source, &random), FilterSet.edge(near.sourcePorts, &random),
                to: FilterSet.edge(other.destination, &random), FilterSet.edge(other.destinationPorts, &random),
                ipProtocol: near.ipProtocol == 17 || (near.ipProtocol != 6 && random.once(in: 2)) ? 17 : 6)
            probe.firstMatch = firstMatch(probe)
            return probe
        }
    }

    /// The first or last number of a range, one inside, or rarely one just outside.
    private static func edge(_ prefix: Prefix, _ random: inout RandomNumbers) -> IPAddress {
        let all = UInt128.max >> UInt128(128 - prefix.family.bits)
        let value =
            switch random.number(0...9) {
            case 0: prefix.first == 0 ? 0 : prefix.first - 1
            case 1: prefix.last == all ? all : prefix.last + 1
            case 2...4: prefix.first
            case 5...7: prefix.last
            default: UInt128.random(in: prefix.first...prefix.last, using: &random)
            }
        return IPAddress(family: prefix.family, value: value)
    }

    private static func edge(_ range: ClosedRange<UInt16>, _ random: inout RandomNumbers) -> UInt16 {
        switch random.number(0...9) {
        case 0: range.lowerBound == 0 ? 0 : range.lowerBound - 1
        case 1: range.upperBound == .max ? .max : range.upperBound + 1
        case 2...5: range.lowerBound
        case 6, 7: range.upperBound
        default: UInt16.random(in: range, using: &random)
        }
    }
}
