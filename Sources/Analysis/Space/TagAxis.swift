// SPDX-License-Identifier: Apache-2.0

/// The outer VLAN tags, 0 for untagged, divided into classes that neither rules nor ports tell apart.
struct TagAxis: Sendable {
    private let classOfTag: [UInt32]
    /// By class: its tags, ascending.
    let tags: [[UInt16]]

    init(telling sets: [Set<UInt16>]) {
        var marks = [Fingerprint](repeating: Fingerprint(), count: 4096)
        for (owner, set) in Set(sets).enumerated() {
            for tag in set where tag < 4096 { marks[Int(tag)].toggle(owner) }
        }
        var numbers: [Fingerprint: UInt32] = [:]
        var tags: [[UInt16]] = []
        classOfTag = marks.enumerated().map { tag, mark in
            let number = numbers[mark] ?? UInt32(numbers.count)
            if Int(number) == tags.count { tags.append([]) }
            numbers[mark] = number
            tags[Int(number)].append(UInt16(tag))
            return number
        }
        self.tags = tags
    }

    var count: Int { tags.count }

    func classOf(_ tag: UInt16) -> UInt32 { classOfTag[Int(min(tag, 4095))] }

    func classes(of set: Set<UInt16>?) -> ClassSet {
        set.map { ClassSet($0.map(classOf)) } ?? ClassSet(below: count)
    }
}
