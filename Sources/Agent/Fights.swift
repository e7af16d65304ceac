// SPDX-License-Identifier: Apache-2.0

/// Tells what somebody keeps undoing from what happened once. What was repaired and returns within a minute, three
/// times, is a fight: repairing it for ever would help nobody, and the operator must know. Pure.
struct Fights {
    /// What to do about something that is found.
    enum Advice: Sendable, Hashable {
        case repair
        /// It is a fight from now on.
        case giveUp
        /// It was one already.
        case leave
    }

    /// How soon after its repair something must return to count.
    static let window = Duration.seconds(60)
    /// So many returns are a fight.
    static let limit = 3

    private struct Record {
        var repaired: ContinuousClock.Instant
        var returns = 0
        var isFight = false
    }

    private var records: [String: Record] = [:]

    /// Those that are fights now, sorted.
    var names: [String] { records.filter(\.value.isFight).map(\.key).sorted() }

    /// - Parameter name: What was found broken.
    mutating func found(_ name: String, at now: ContinuousClock.Instant) -> Advice {
        guard var record = records[name] else {
            records[name] = Record(repaired: now)
            return .repair
        }
        if record.isFight { return .leave }
        record.returns = now - record.repaired <= Self.window ? record.returns + 1 : 0
        record.repaired = now
        record.isFight = record.returns >= Self.limit
        records[name] = record
        return record.isFight ? .giveUp : .repair
    }

    /// Forgets what was quiet for longer than matters. A fight stays one until the operator has applied a policy.
    mutating func forget(at now: ContinuousClock.Instant) {
        records = records.filter { $0.value.isFight || now - $0.value.repaired <= Self.window }
    }

    /// An operator applied a policy: everything begins anew.
    mutating func settle() { records = [:] }
}
