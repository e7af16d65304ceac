// SPDX-License-Identifier: Apache-2.0
import Network

/// An address is the host's own at both ends of a packet, or at none. A box tells each end by itself, and so may hold
/// packets that cannot be: from an address to itself, the host's own at one end alone.
extension Universe {
    /// Whether there is a packet in a box that is not empty.
    func hasPacket(_ box: Box) -> Bool {
        let (source, destination) = (box.source.hull, box.destination.hull)
        guard source.lower == source.upper, destination.lower == destination.upper else { return true }
        return !isContradiction(source.lower, destination.lower)
    }

    /// Whether two classes are one single address that is the host's own at one end alone. Of two addresses or more,
    /// one can be at the one end and one at the other.
    private func isContradiction(_ source: UInt32, _ destination: UInt32) -> Bool {
        guard tellsOwn.source, tellsOwn.destination, isOwn(source) != isOwn(destination),
            plain(source) == plain(destination)
        else { return false }
        return addresses?.isSingle(plain(source)) ?? false
    }

    /// A point of a box that holds a packet: the one given, or another if there is no packet at that.
    func possible(_ point: Point, in box: Box) -> Point {
        guard isContradiction(point.source, point.destination) else { return point }
        var other = point
        if let destination = box.destination.classes.first(where: { $0 != point.destination }) {
            other.destination = destination
        } else if let source = box.source.classes.first(where: { $0 != point.source }) {
            other.source = source
        }
        return other
    }

    /// Whether some boxes cover every packet of another one, see ``CoverSearch``. An open part has a packet.
    func search(_ box: Box, under boxes: [Box], _ effort: inout Effort) -> CoverSearch.Outcome {
        var all = boxes
        while true {
            switch CoverSearch.search(box, under: all, &effort) {
            case .open(let part) where !hasPacket(part):
                var none = self.all
                (none.source, none.destination, none.next) = (part.source, part.destination, none.crossing)
                all.append(none)
            case .covered(let used): return .covered(by: used.filter { $0 < boxes.count })
            case let outcome: return outcome
            }
        }
    }
}
