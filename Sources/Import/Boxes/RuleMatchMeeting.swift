// SPDX-License-Identifier: Apache-2.0
import Policy

extension RuleMatch {
    var isAny: Bool { self == .any }

    /// What meets both; nil: no packet does, or it cannot be said as one.
    func meeting(_ other: RuleMatch) -> RuleMatch? {
        if other.isAny { return self }
        if isAny { return other }
        var result = self
        var isGood = true
        func meet<Value>(_ path: WritableKeyPath<RuleMatch, Value?>, _ join: (Value, Value) -> Value?) {
            guard let mine = self[keyPath: path], let its = other[keyPath: path] else {
                result[keyPath: path] = self[keyPath: path] ?? other[keyPath: path]
                return
            }
            result[keyPath: path] = join(mine, its)
            isGood = isGood && result[keyPath: path] != nil
        }
        meet(\.tcpFlags, RuleMatch.common)
        meet(\.hopLimit, RuleMatch.common)
        meet(\.length, RuleMatch.common)
        meet(\.dscp) { $0.isDisjoint(with: $1) ? nil : $0.intersection($1) }
        meet(\.pcp) { $0.isDisjoint(with: $1) ? nil : $0.intersection($1) }
        meet(\.fragment) { $0 == $1 ? $0 : nil }
        meet(\.sourceMACs, RuleMatch.common)
        meet(\.destinationMACs, RuleMatch.common)
        return isGood ? result : nil
    }

    private static func common<Bound>(_ left: ClosedRange<Bound>, _ right: ClosedRange<Bound>) -> ClosedRange<Bound>? {
        left.overlaps(right) ? left.clamped(to: right) : nil
    }

    private static func common<Value: Equatable>(_ left: [Value], _ right: [Value]) -> [Value]? {
        let common = left.filter(right.contains)
        return common.isEmpty ? nil : common
    }

    private static func common(_ left: TCPFlags, _ right: TCPFlags) -> TCPFlags? {
        let both = left.of & right.of
        guard left.set & both == right.set & both else { return nil }
        return TCPFlags(set: left.set | right.set, of: left.of | right.of)
    }
}
