// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network

/// A model of who is in dynamic groups: plain lists.
public struct ReferenceMembers: Sendable, Hashable {
    /// When each prefix of a group ceases to be a member, in seconds since the start; nil: never.
    public struct Group: Sendable, Hashable {
        fileprivate var clock: Int
        private var ends: [Prefix: Int?] = [:]

        fileprivate init(clock: Int) { self.clock = clock }

        /// A prefix that is there gets the new time.
        public mutating func add(_ prefix: Prefix, seconds: Int?) { ends[prefix] = .some(seconds.map { clock + $0 }) }
        /// A match of a rule never shortens a membership.
        mutating func extend(_ prefix: Prefix, seconds: Int?) {
            let end = seconds.map { clock + $0 }
            if let old = ends[prefix], old == nil || old ?? 0 > end ?? .max { return }
            ends[prefix] = .some(end)
        }
        public mutating func delete(_ prefix: Prefix) { ends[prefix] = nil }
        public mutating func flush() { ends = [:] }

        /// Those that have not ceased.
        public var prefixes: Set<Prefix> { Set(ends.filter { $0.value ?? .max > clock }.keys) }

        func contains(_ address: IPAddress) -> Bool {
            ends.contains { $0.key.contains(address) && $0.value ?? .max > clock }
        }
    }

    private var groups: [String: Group] = [:]
    private var clock = 0

    public init() {}

    public func contains(_ address: IPAddress, in group: String) -> Bool { groups[group]?.contains(address) ?? false }

    public subscript(group: String) -> Group { groups[group] ?? Group(clock: clock) }

    mutating func change(_ group: String, _ change: (inout Group) -> Void) {
        change(&groups[group, default: Group(clock: clock)])
    }

    mutating func keep(_ names: [String]) { groups = groups.filter { names.contains($0.key) } }

    mutating func pass(seconds: Int) {
        clock += seconds
        for name in groups.keys { groups[name]?.clock = clock }
    }
}
