// SPDX-License-Identifier: Apache-2.0

/// The lowest and the highest class of a box on each axis, and whether it has all between them. Most boxes are told
/// apart by these alone, which cost no look at their lists of runs.
struct Outline: Sendable {
    // Each axis by name, as in `Box`: with an inline array of them, 10,000 rules take a tenth longer to lint.
    private var source: ClassSet.Run
    private var destination: ClassSet.Run
    private var service: ClassSet.Run
    private var crossing: ClassSet.Run
    private var next: ClassSet.Run
    /// A bit for each axis.
    private var whole: UInt8 = 0

    init(_ box: borrowing Box) {
        source = box.source.hull
        destination = box.destination.hull
        service = box.service.hull
        crossing = box.crossing.hull
        next = box.next.hull
        noteWhole(0, box.source)
        noteWhole(1, box.destination)
        noteWhole(2, box.service)
        noteWhole(3, box.crossing)
        noteWhole(4, box.next)
    }

    private mutating func noteWhole(_ axis: Int, _ classes: borrowing ClassSet) {
        let bit = UInt8(1) << UInt8(axis)
        whole = classes.isOneRun ? whole | bit : whole & ~bit
    }

    subscript(axis: Int) -> ClassSet.Run {
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

    /// Changes an axis.
    mutating func set(_ axis: Int, _ classes: borrowing ClassSet) {
        self[axis] = classes.hull
        noteWhole(axis, classes)
    }

    /// Whether the box has all classes between its lowest and its highest.
    func isWhole(_ axis: Int) -> Bool { whole >> UInt8(axis) & 1 != 0 }

    /// Whether two boxes may have classes in common, on all axes.
    func meets(_ other: Outline) -> Bool {
        source.meets(other.source) && destination.meets(other.destination) && service.meets(other.service)
            && crossing.meets(other.crossing) && next.meets(other.next)
    }

    /// Whether the box may have a class on each axis. Of a point, the second crossing is not asked.
    func meets(_ point: Point) -> Bool {
        source.contains(point.source) && destination.contains(point.destination) && service.contains(point.service)
            && crossing.contains(point.crossing)
    }

    /// Whether nothing but ``meets(_:)`` need be asked of two boxes.
    func isExact(with other: Outline) -> Bool { whole & other.whole == 0b11111 }
}

extension ClassSet.Run {
    func contains(_ number: UInt32) -> Bool { lower <= number && number <= upper }

    func contains(_ other: ClassSet.Run) -> Bool { lower <= other.lower && other.upper <= upper }

    func meets(_ other: ClassSet.Run) -> Bool { lower <= other.upper && other.lower <= upper }
}
