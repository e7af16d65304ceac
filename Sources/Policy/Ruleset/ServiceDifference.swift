// SPDX-License-Identifier: Apache-2.0
import Network

extension Service {
    /// Why one service cannot be taken away from another.
    struct NoDifference: Error {
        var reason: String
    }

    /// What is in this service and not in another, as alternatives; none where nothing is left.
    func subtracting(_ other: Service) throws(NoDifference) -> [Service] {
        switch (self, other) {
        case (.ports(let number, let destination, let source), .ports(let others, let ports, let sources)):
            guard number == others else { return [self] }
            return Self.ports(number, destination, source, without: ports, sources)
        case (.icmp(let family, let type, let code), .icmp(let others, let types, let codes)):
            guard family == others else { return [self] }
            return Self.icmp(family, type, code, without: types, codes)
        case (.protocol(let number), .protocol(let others)): return number == others ? [] : [self]
        case (.ethertype(let number), .ethertype(let others)): return number == others ? [] : [self]
        case (.protocol, .ports), (.protocol, .icmp):
            throw NoDifference(
                reason: "ports and types cannot be taken away from proto/N: write tcp/*, icmp/* and so on")
        default: return [self]
        }
    }

    private static func ports(
        _ number: UInt8, _ destination: [ClosedRange<UInt16>], _ source: [ClosedRange<UInt16>],
        without ports: [ClosedRange<UInt16>], _ sources: [ClosedRange<UInt16>]
    ) -> [Service] {
        let other = difference(destination, ports)
        let common = difference(destination, other)
        let left = difference(source, sources)
        return [(other, source), (common, left)].filter { !$0.isEmpty && !$1.isEmpty }.map {
            .ports(protocol: number, destination: $0, source: $1)
        }
    }

    private static func icmp(
        _ family: AddressFamily, _ type: UInt8?, _ code: UInt8?, without types: UInt8?, _ codes: UInt8?
    ) -> [Service] {
        guard let types else { return [] }
        guard type == nil || type == types else { return [.icmp(family, type: type, code: code)] }
        let otherTypes = type == nil ? (0...UInt8.max).filter { $0 != types } : []
        let left: [Service] = otherTypes.map { .icmp(family, type: $0, code: nil) }
        guard let codes else { return left }
        if let code { return left + (code == codes ? [] : [.icmp(family, type: types, code: code)]) }
        return left + (0...UInt8.max).filter { $0 != codes }.map { .icmp(family, type: types, code: $0) }
    }

    /// The numbers of some ranges that are in none of the others, as ranges that neither overlap nor touch.
    private static func difference(
        _ ranges: [ClosedRange<UInt16>], _ others: [ClosedRange<UInt16>]
    ) -> [ClosedRange<UInt16>] {
        var edges: [(at: Int, isOther: Bool, step: Int)] = []
        for (list, isOther) in [(ranges, false), (others, true)] {
            for range in list {
                edges.append((Int(range.lowerBound), isOther, 1))
                edges.append((Int(range.upperBound) + 1, isOther, -1))
            }
        }
        var result: [ClosedRange<UInt16>] = []
        var (inside, taken, start) = (0, 0, 0)
        for (at, group) in Dictionary(grouping: edges, by: \.at).sorted(by: { $0.key < $1.key }) {
            if inside > 0, taken == 0, at > start { result.append(UInt16(start)...UInt16(at - 1)) }
            for edge in group {
                if edge.isOther { taken += edge.step } else { inside += edge.step }
            }
            start = at
        }
        return joined(result)
    }

    private static func joined(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
        var result: [ClosedRange<UInt16>] = []
        for range in ranges {
            if let last = result.last, Int(last.upperBound) + 1 == Int(range.lowerBound) {
                result[result.count - 1] = last.lowerBound...range.upperBound
            } else {
                result.append(range)
            }
        }
        return result
    }
}
