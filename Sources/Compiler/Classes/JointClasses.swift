// SPDX-License-Identifier: Apache-2.0
import Policy

/// The joint classes of headers, context and service: of everything in a packet but its addresses. A *match* is what a
/// rule asks of these, a row of bits over joint classes.
struct JointClasses {
    /// The joint class, by (header class * number of contexts + context) * number of service classes + service class.
    private(set) var joints: [UInt32] = []
    private(set) var jointCount = 0
    /// By rule: its match.
    private(set) var matchOfRule: [UInt32] = []
    /// By match: its row of bits.
    private var rows: [Row] = []
    /// The words of all rows, one after the other.
    private var words: [UInt64] = []

    /// A row of bits without its leading and trailing zero words: if each rule has its own ports, most of a row is
    /// zero.
    private struct Row {
        var range = 0..<0
        /// The index of its first word in `words`.
        var start = 0
    }

    /// The words of a row in full width.
    var rowWidth: Int { (jointCount + 63) / 64 }

    private struct Match: Hashable {
        var place: UInt32
        var services: UInt32
    }

    /// - Parameter servicesOfRule: By rule: the number of its service list.
    init(
        _ contexts: Contexts, _ services: ServiceClasses, _ headers: HeaderClasses, servicesOfRule: [UInt32],
        serviceLists: Int, _ budget: Budget
    ) throws(CompileError) {
        var numbers: [Match: UInt32] = [:]
        var matchesOfList = [[(place: UInt32, match: UInt32)]](repeating: [], count: serviceLists)
        for (place, list) in zip(contexts.placeOfRule, servicesOfRule) {
            let match = Match(place: place, services: list)
            let number = numbers[match] ?? UInt32(numbers.count)
            if number == numbers.count {
                numbers[match] = number
                matchesOfList[Int(list)].append((place, number))
            }
            matchOfRule.append(number)
        }
        try budget.check(
            "pairs of place and service class",
            headers.members.count * contexts.members.count * services.members.count, atMost: \.tableEntries,
            by: .services)
        let members = makeJoints(contexts, services, headers, matchesOfList)
        jointCount = members.count
        try makeRows(numbers.count, members, budget)
    }

    private mutating func makeRows(
        _ count: Int, _ members: SequenceTable<UInt32>, _ budget: Budget
    ) throws(CompileError) {
        rows = [Row](repeating: Row(), count: count)
        for joint in 0..<jointCount {
            let word = joint / 64
            for match in members[joint] {
                let first = rows[Int(match)].range.first ?? word
                rows[Int(match)].range = first..<word + 1
            }
        }
        var size = 0
        for match in rows.indices {
            rows[match].start = size
            size += rows[match].range.count
        }
        try budget.check("words of rule bitmaps", size, atMost: \.tableEntries, by: .services)
        words = [UInt64](repeating: 0, count: size)
        for joint in 0..<jointCount {
            for match in members[joint] {
                let row = rows[Int(match)]
                words[row.start + joint / 64 - row.range.lowerBound] |= 1 << UInt64(joint % 64)
            }
        }
    }

    /// Calls `body` with the words of a rule's row from the first non-zero one to the last, and their numbers in the
    /// full row.
    @inline(__always)
    func forEachWord(ofRule rank: UInt32, _ body: (_ number: Int, _ word: UInt64) -> Void) {
        let row = rows[Int(matchOfRule[Int(rank)])]
        for number in row.range { body(number, words[row.start + number - row.range.lowerBound]) }
    }

    /// Calls `body` with the joint classes that a rule matches, ascending.
    @inline(__always)
    func forEachJoint(ofRule rank: UInt32, _ body: (Int) -> Void) {
        forEachWord(ofRule: rank) { number, word in JointClasses.forEachJoint(of: word, number, body) }
    }

    /// Calls `body` with the joint classes whose bits are set in the word of a number, ascending.
    @inline(__always)
    static func forEachJoint(of word: UInt64, _ number: Int, _ body: (Int) -> Void) {
        var bits = word
        while bits != 0 {
            body(number * 64 + bits.trailingZeroBitCount)
            bits &= bits - 1
        }
    }

    private mutating func makeJoints(
        _ contexts: Contexts, _ services: ServiceClasses, _ headers: HeaderClasses,
        _ matchesOfList: [[(place: UInt32, match: UInt32)]]
    ) -> SequenceTable<UInt32> {
        var members = SequenceTable<UInt32>()
        var isHere = [Bool](repeating: false, count: contexts.placeCount)
        var scratch: [UInt32] = []
        joints.reserveCapacity(headers.members.count * contexts.members.count * services.members.count)
        for header in 0..<headers.members.count {
            let alsoNamed = headers.members[header]
            for context in 0..<contexts.members.count {
                for place in contexts.members[context] { isHere[Int(place)] = true }
                for service in 0..<services.members.count {
                    scratch.removeAll(keepingCapacity: true)
                    let named = services.members[service]
                    for list in named {
                        for (place, match) in matchesOfList[Int(list)] where isHere[Int(place)] {
                            scratch.append(match)
                        }
                    }
                    for list in alsoNamed where !named.contains(list) {
                        for (place, match) in matchesOfList[Int(list)] where isHere[Int(place)] {
                            scratch.append(match)
                        }
                    }
                    scratch.sort()
                    joints.append(UInt32(members.intern(scratch)))
                }
                for place in contexts.members[context] { isHere[Int(place)] = false }
            }
        }
        return members
    }
}
