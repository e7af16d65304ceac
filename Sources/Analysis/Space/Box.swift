// SPDX-License-Identifier: Apache-2.0

/// A set of packets: those whose source, destination, service and crossing are each in a set of classes, and whose
/// second crossing is, where a packet crosses two ports.
struct Box: Hashable, Sendable {
    var source: ClassSet
    var destination: ClassSet
    var service: ClassSet
    var crossing: ClassSet
    var next = Box.single

    static let axes = 5
    /// The second crossing where there is none.
    static let single = ClassSet(0..<1)

    subscript(axis: Int) -> ClassSet {
        get {
            switch axis {
            case 0: source
            case 1: destination
            case 2: service
            case 3: crossing
            default: next
            }
        }
        set {
            switch axis {
            case 0: source = newValue
            case 1: destination = newValue
            case 2: service = newValue
            case 3: crossing = newValue
            default: next = newValue
            }
        }
    }

    var isEmpty: Bool {
        source.isEmpty || destination.isEmpty || service.isEmpty || crossing.isEmpty || next.isEmpty
    }

    func intersects(_ other: Box) -> Bool {
        source.intersects(other.source) && destination.intersects(other.destination)
            && service.intersects(other.service) && crossing.intersects(other.crossing) && next.intersects(other.next)
    }

    func contains(_ other: Box) -> Bool {
        (0..<Box.axes).allSatisfy { self[$0].contains(other[$0]) }
    }

    func intersection(_ other: Box) -> Box {
        Box(
            source: source.intersection(other.source), destination: destination.intersection(other.destination),
            service: service.intersection(other.service), crossing: crossing.intersection(other.crossing),
            next: next.intersection(other.next))
    }

    /// What is in this box and not in the other, as boxes that do not overlap.
    func subtracting(_ other: Box) -> [Box] {
        guard intersects(other) else { return [self] }
        var rest = self
        var result: [Box] = []
        for axis in 0..<Box.axes {
            var part = rest
            part[axis] = rest[axis].subtracting(other[axis])
            if !part[axis].isEmpty { result.append(part) }
            rest[axis] = rest[axis].intersection(other[axis])
        }
        return result
    }

    /// One packet of the box: the lowest class of each axis.
    var first: Point {
        Point(
            source: source.hull.lower, destination: destination.hull.lower, service: service.hull.lower,
            crossing: crossing.hull.lower, next: next.hull.lower)
    }

    func contains(_ point: Point) -> Bool {
        source.contains(point.source) && destination.contains(point.destination) && service.contains(point.service)
            && crossing.contains(point.crossing)
    }
}

/// A class on each axis: packets that no rule tells apart.
struct Point: Hashable, Sendable {
    var source: UInt32
    var destination: UInt32
    var service: UInt32
    var crossing: UInt32
    var next: UInt32 = 0
}

extension [Box] {
    /// The same packets in fewer boxes: two that differ on one axis alone become one.
    func merged(atMost limit: Int = 400) -> [Box] {
        guard count <= limit else { return self }
        var boxes = self
        var isDone = false
        while !isDone {
            isDone = true
            for axis in 0..<Box.axes {
                var places: [Box: Int] = [:]
                var result: [Box] = []
                for box in boxes {
                    var key = box
                    key[axis] = .empty
                    if let place = places[key] {
                        result[place][axis] = result[place][axis].union(box[axis])
                        isDone = false
                    } else {
                        places[key] = result.count
                        result.append(box)
                    }
                }
                boxes = result
            }
        }
        return boxes
    }
}
