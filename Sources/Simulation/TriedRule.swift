// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler

/// A rule that a packet matched and that left the decision to later rules.
public struct TriedRule: Sendable, Hashable {
    public enum Why: String, Sendable, Hashable, CaseIterable {
        /// It is not its time.
        case time
        /// An end is not in the dynamic groups that the rule asks for.
        case members
        /// The limit is used up; with `over`, it is not.
        case limit
        /// As many of its flows are open as the rule lets.
        case connections
        /// The packet's own fields are others than the rule asks for.
        case fields
        /// The rule logs.
        case logged
        /// The rule passes on to the next layer.
        case passed
    }

    public var rule: ImageView.RuleRecord
    public var why: Why

    /// Those that a program noted, in order. Of a rule that asks for several combinations of groups, each is one.
    static func all(in scratch: bh_scratch, _ view: ImageView) -> [TriedRule] {
        let count = min(Int(scratch.tries), Int(BH_TRIES_MAX))
        let notes = unsafe withUnsafeBytes(of: scratch.tried) { bytes in
            (0..<count).map { unsafe bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
        }
        return notes.compactMap { note in
            guard let why = Why(note >> UInt32(BH_TRY_SHIFT)) else { return nil }
            return view.rule(Int(note & (1 << UInt32(BH_TRY_SHIFT) - 1))).map { TriedRule(rule: $0, why: why) }
        }
    }
}

extension TriedRule.Why {
    /// Reads a value of `enum bh_try`.
    fileprivate init?(_ number: UInt32) {
        switch number {
        case BH_TRY_TIME.rawValue: self = .time
        case BH_TRY_MEMBERS.rawValue: self = .members
        case BH_TRY_LIMIT.rawValue: self = .limit
        case BH_TRY_CONNECTIONS.rawValue: self = .connections
        case BH_TRY_FIELDS.rawValue: self = .fields
        case BH_TRY_LOGGED.rawValue: self = .logged
        case BH_TRY_PASSED.rawValue: self = .passed
        default: return nil
        }
    }
}
