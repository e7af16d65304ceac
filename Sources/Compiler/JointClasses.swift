import Policy

/// Context and service together: everything of a packet but its addresses. A *match* is what a rule asks of them, a row of
/// bits over joint classes.
struct JointClasses {
    /// By context * service count + service.
    private(set) var joints: [UInt32] = []
    private(set) var jointCount = 0
    /// By rule.
    private(set) var matchOfRule: [UInt32] = []
    private(set) var matchCount = 0
    /// Words of a row.
    private(set) var matchWords = 0
    /// Rows, by match.
    private(set) var matches: [UInt64] = []

    private struct Match: Hashable {
        var place: UInt32
        var services: UInt32
    }

    /// - Parameter servicesOfRule: By rule: the number of its service list.
    init(
        _ contexts: Contexts, _ services: ServiceClasses, servicesOfRule: [UInt32], serviceLists: Int,
        _ budget: Budget
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
        matchCount = numbers.count
        try budget.check(
            "pairs of place and service class", contexts.members.count * services.members.count, atMost: \.tableEntries,
            by: .services)
        let members = makeJoints(contexts, services, matchesOfList)
        jointCount = members.count
        matchWords = (jointCount + 63) / 64
        try budget.check("words of match rows", matchCount * matchWords, atMost: \.tableEntries, by: .services)
        matches = [UInt64](repeating: 0, count: matchCount * matchWords)
        for joint in 0..<jointCount {
            for match in members[joint] { matches[Int(match) * matchWords + joint / 64] |= 1 << UInt64(joint % 64) }
        }
    }

    /// The joint classes that a rule matches, ascending.
    func joints(ofRule rank: UInt32) -> [Int] {
        let row = Int(matchOfRule[Int(rank)]) * matchWords
        var result: [Int] = []
        for word in 0..<matchWords {
            var bits = matches[row + word]
            while bits != 0 {
                result.append(word * 64 + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
        }
        return result
    }

    private mutating func makeJoints(
        _ contexts: Contexts, _ services: ServiceClasses, _ matchesOfList: [[(place: UInt32, match: UInt32)]]
    ) -> SequenceTable<UInt32> {
        var members = SequenceTable<UInt32>()
        var isHere = [Bool](repeating: false, count: contexts.placeCount)
        var scratch: [UInt32] = []
        joints.reserveCapacity(contexts.members.count * services.members.count)
        for context in 0..<contexts.members.count {
            for place in contexts.members[context] { isHere[Int(place)] = true }
            for service in 0..<services.members.count {
                scratch.removeAll(keepingCapacity: true)
                for list in services.members[service] {
                    for (place, match) in matchesOfList[Int(list)] where isHere[Int(place)] { scratch.append(match) }
                }
                scratch.sort()
                joints.append(UInt32(members.intern(scratch)))
            }
            for place in contexts.members[context] { isHere[Int(place)] = false }
        }
        return members
    }
}
