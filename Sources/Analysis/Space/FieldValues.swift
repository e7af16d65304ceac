// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// What some rules ask of one field of a packet, and the kinds of values that they tell apart. A packet has one value:
/// what is asked of it are not independent questions.
struct FieldValues: Sendable {
    /// Matches of this field alone, each once.
    private(set) var matches: [RuleMatch] = []
    private let field: Field

    private enum Field: CaseIterable, Sendable {
        case tcpFlags, hopLimit, length, dscp, pcp, fragment, sourceMACs, destinationMACs

        func isAsked(_ match: RuleMatch) -> Bool {
            switch self {
            case .tcpFlags: match.tcpFlags != nil
            case .hopLimit: match.hopLimit != nil
            case .length: match.length != nil
            case .dscp: match.dscp != nil
            case .pcp: match.pcp != nil
            case .fragment: match.fragment != nil
            case .sourceMACs: match.sourceMACs != nil
            case .destinationMACs: match.destinationMACs != nil
            }
        }
    }

    /// - Parameter matches: Of one field each.
    static func all(_ matches: [RuleMatch]) -> [FieldValues] {
        Field.allCases.compactMap { field in
            var values = FieldValues(field: field)
            for match in matches where field.isAsked(match) && !values.matches.contains(match) {
                values.matches.append(match)
            }
            return values.matches.isEmpty ? nil : values
        }
    }

    private init(field: Field) { self.field = field }

    /// What a packet may answer to the matches: each list has an answer for each match, and is there once.
    var answers: [[Bool]] {
        var seen: Set<[Bool]> = []
        return everyAnswer.filter { seen.insert($0).inserted }
    }

    /// Whether several matches together say something of another one that none of them says alone: that it holds too,
    /// or that one of them must.
    var areEntangled: Bool {
        let sets = answers.map { answer in Set(answer.indices.filter { answer[$0] }) }
        if matches.count > 1, !sets.contains([]) { return true }
        if sets.reduce(0, { $0 + $1.count * $1.count }) > FieldValues.mostPairs { return true }
        // By match: those that hold wherever it does, itself among them.
        let implied = matches.indices.map { match in
            let those = sets.filter { $0.contains(match) }
            return those.reduce(those.first ?? []) { $0.intersection($1) }
        }
        let known = Set(sets)
        return sets.contains { set in
            set.contains { one in set.contains { two in !known.contains(implied[one].union(implied[two])) } }
        }
    }

    private static let mostPairs = 1_000_000

    private var everyAnswer: [[Bool]] {
        switch field {
        case .tcpFlags:
            let asked = matches.reduce(UInt8(0)) { $0 | ($1.tcpFlags?.of ?? 0) }
            return (0...UInt8.max).filter { $0 & ~asked == 0 }.map { flags in
                matches.map { $0.tcpFlags.map { flags & $0.of == $0.set } ?? true }
            }
        case .hopLimit:
            return (0...UInt8.max).map { limit in matches.map { $0.hopLimit?.contains(limit) ?? true } }
        case .length:
            let ranges = matches.compactMap(\.length)
            let starts = Set([0] + ranges.map(\.lowerBound) + ranges.map { $0.upperBound &+ 1 })
            return starts.sorted().map { length in matches.map { $0.length?.contains(length) ?? true } }
        case .dscp: return (0..<64).map { point in matches.map { $0.dscp?.contains(point) ?? true } }
        case .pcp:
            // A packet without a tag has none.
            let none = [matches.map { _ in false }]
            return none + (0..<8).map { priority in matches.map { $0.pcp?.contains(priority) ?? true } }
        case .fragment: return [true, false].map { isFragment in matches.map { $0.fragment == isFragment } }
        case .sourceMACs: return macAnswers(\.sourceMACs)
        case .destinationMACs: return macAnswers(\.destinationMACs)
        }
    }

    /// One for each address that is named, and one for all others.
    private func macAnswers(_ path: KeyPath<RuleMatch, [MACAddress]?>) -> [[Bool]] {
        let sets = matches.map { Set($0[keyPath: path] ?? []) }
        let named = sets.reduce(into: Set<MACAddress>()) { $0.formUnion($1) }
        return named.map { address in sets.map { $0.contains(address) } } + [sets.map { _ in false }]
    }
}
