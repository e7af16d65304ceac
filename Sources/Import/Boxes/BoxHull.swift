// SPDX-License-Identifier: Apache-2.0
import Network

/// The bounds of some boxes of one family, as plain numbers: most pairs of rules are apart, and comparing these tells
/// so without a look at their sets.
struct BoxHull: Sendable {
    private var source: ClosedRange<UInt128>?
    private var destination: ClosedRange<UInt128>?
    private var port: ClosedRange<UInt16>?

    init(_ boxes: [Box]) {
        for box in boxes {
            for family in AddressFamily.allCases {
                source = BoxHull.union(source, box.source.ranges(family))
                destination = BoxHull.union(destination, box.destination.ranges(family))
            }
            // What has no ports is not asked for them.
            let hasPorts = box.protocols.isSubset(of: Box.withPorts)
            port = BoxHull.union(port, hasPorts ? box.destinationPorts.ranges : NumberSet.all.ranges)
        }
    }

    func overlaps(_ other: BoxHull) -> Bool {
        guard let source, let destination, let port, let from = other.source, let to = other.destination,
            let toPort = other.port
        else { return false }
        return port.overlaps(toPort) && source.overlaps(from) && destination.overlaps(to)
    }

    private static func union<Bound>(_ hull: ClosedRange<Bound>?, _ ranges: [ClosedRange<Bound>]) -> ClosedRange<Bound>?
    {
        guard let first = ranges.first, let last = ranges.last else { return hull }
        guard let hull else { return first.lowerBound...last.upperBound }
        return min(hull.lowerBound, first.lowerBound)...max(hull.upperBound, last.upperBound)
    }
}
