// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import Network

/// The members of one dynamic group, as the kernel holds them. Only the holder of the publishing lock changes them.
///
/// The programs look up only the longest prefix that covers an address. So an entry says how long its prefix *or any
/// shorter one that covers it* is a member. Each change keeps that true.
package struct MemberTrie {
    /// A change that does not fit: `fresh` prefixes next to `members` that are there. Nothing was added.
    package struct Full: Error {
        package var members: Int
        package var fresh: Int
    }

    /// The deadline of a member that stays until it is deleted.
    package static let forever: UInt64 = BH_FOREVER

    private typealias Entries = KeyedMap<bh_member_key, bh_member>
    private let entries: Entries
    /// Nanoseconds of CLOCK_BOOTTIME.
    private let now: UInt64

    package init(_ map: Map, now: UInt64) throws(BPFError) {
        entries = try Entries(map)
        self.now = now
    }

    package static func make() throws(BPFError) -> Map {
        try Entries.makeTrie("bulkhead_group", capacity: 2 * UInt32(BH_MEMBERS_MAX))
    }

    // MARK: Reading

    /// The members, each with the time when it ceases to be one, in nanoseconds of CLOCK_BOOTTIME.
    package func members() throws(BPFError) -> [(prefix: Prefix, deadline: UInt64)] {
        // If an entry is deleted during the walk, the walk starts again.
        var seen: Set<Prefix> = []
        return try all().filter { $0.entry.own > now && seen.insert($0.prefix).inserted }
            .map { ($0.prefix, $0.entry.own) }
    }

    /// How many members there are, without keeping them. While others change the group, one may be missed, or counted
    /// twice.
    package func memberCount() throws(BPFError) -> Int {
        var count = 0
        try walk { batch in count += batch.count { $0.value.own > now && Prefix($0.key) != nil } }
        return count
    }

    /// Hands over the entries, so many at a time.
    private func walk(_ body: ([(key: bh_member_key, value: bh_member)]) -> Void) throws(BPFError) {
        var last: bh_member_key?
        let limit = 4096
        for _ in 0..<2 * Int(BH_MEMBERS_MAX) / limit {
            let batch = try entries.entries(after: last, limit: limit)
            body(batch)
            if batch.count < limit { break }
            last = batch.last?.key
        }
    }

    private typealias Held = (prefix: Prefix, entry: bh_member)

    private func all() throws(BPFError) -> [Held] {
        var result: [Held] = []
        try walk { batch in result += batch.compactMap { key, entry in Prefix(key).map { ($0, entry) } } }
        return result
    }

    /// The entries under a prefix. The walk goes from its first address through all of them to the prefix itself. If
    /// that address is not an entry, it is one during the walk, with the deadline that it has anyway.
    private func under(_ prefix: Prefix) throws(BPFError) -> [Held] {
        let first = Prefix(prefix.address)
        var result: [Held] = []
        let held = try entry(first)
        if let held {
            result.append((first, held))
        } else {
            try write(first, own: 0, deadline: try longest(first)?.deadline ?? 0)
        }
        var last = bh_member_key(first)
        let limit = 256
        walk: while true {
            let batch = try entries.entries(after: last, limit: limit)
            for (key, entry) in batch {
                guard let found = Prefix(key), found.length > prefix.length, prefix.contains(found.address) else {
                    break walk
                }
                result.append((found, entry))
                last = key
            }
            if batch.count < limit { break }
        }
        if held == nil { try entries.delete(bh_member_key(first)) }
        return result
    }

    private func longest(_ prefix: Prefix) throws(BPFError) -> bh_member? {
        try entries.lookup(bh_member_key(prefix))
    }

    /// The prefix's own entry.
    private func entry(_ prefix: Prefix) throws(BPFError) -> bh_member? {
        guard let found = try longest(prefix), found.prefix_length == 32 + UInt32(prefix.length) else { return nil }
        return found
    }

    /// The time until which shorter prefixes cover it.
    private func covered(_ prefix: Prefix) throws(BPFError) -> UInt64 {
        if prefix.length == 0 { return 0 }
        var key = bh_member_key(prefix)
        key.prefix_length -= 1
        return try entries.lookup(key)?.deadline ?? 0
    }

    /// Whether it is a member, by itself or through a shorter prefix.
    package func contains(_ prefix: Prefix) throws(BPFError) -> Bool {
        try longest(prefix).map { $0.deadline > now } ?? false
    }

    // MARK: Changing

    /// Makes prefixes members until a deadline; one that is a member already gets the new deadline.
    ///
    /// - Returns: how many were not members before.
    /// - Throws: ``Full`` if the group would have more than `maximum` members.
    package func add(_ prefixes: [Prefix], until deadline: UInt64, atMost maximum: Int) throws -> Int {
        let prefixes = MemberTrie.ordered(prefixes)
        var count = try count()
        var known = try prefixes.map { try entry($0) }
        if count + known.count(where: { $0 == nil }) > maximum {
            count = try repair()
            known = try prefixes.map { try entry($0) }
            let fresh = known.count { $0 == nil }
            if count + fresh > maximum { throw Full(members: count, fresh: fresh) }
        }
        count += known.count { $0 == nil }
        let added = try additions()
        try keepCount(count, isChanging: true)
        do {
            for prefix in prefixes { try set(prefix, own: deadline) }
            try settle(under: prefixes)
        } catch {
            // If this fails too, the next change repairs it.
            for (prefix, entry) in zip(prefixes, known) {
                if let entry { try set(prefix, own: entry.own) } else { try entries.delete(bh_member_key(prefix)) }
            }
            _ = try repair()
            throw error
        }
        try keepCount(count, since: added)
        return known.count { ($0?.own ?? 0) <= now }
    }

    /// Takes prefixes out.
    ///
    /// - Returns: how many of them were members.
    package func delete(_ prefixes: [Prefix]) throws(BPFError) -> Int {
        let count = try count()
        var held: [Prefix] = []
        var deleted = 0
        for prefix in MemberTrie.ordered(prefixes) {
            guard let entry = try entry(prefix) else { continue }
            held.append(prefix)
            if entry.own > now { deleted += 1 }
        }
        let added = try additions()
        try keepCount(count, isChanging: true)
        // Longer prefixes must no longer rest on these when these go.
        let wide = held.filter { !$0.isOneAddress }
        for prefix in wide { try set(prefix, own: 0) }
        try settle(under: wide)
        for prefix in held { try entries.delete(bh_member_key(prefix)) }
        try keepCount(count - held.count, since: added)
        return deleted
    }

    /// Leaves the group as it was made.
    package func clear() throws(BPFError) {
        let limit = 4096
        while case let keys = try entries.entries(after: nil, limit: limit).map(\.key), !keys.isEmpty {
            for key in keys { try entries.delete(key) }
        }
    }

    /// The number of entries, including expired ones that were not reclaimed yet.
    private func count() throws(BPFError) -> Int {
        guard let record = try counter(BH_MEMBERS_CONTROLLER) else { return max(try additions(), 0) }
        if record.pad != 0 || record.own == BH_FOREVER { return try repair() }
        return max(Int(record.own) + (try additions() - Int(Int64(bitPattern: record.deadline))), 0)
    }

    /// How many entries more the programs have made than taken out.
    private func additions() throws(BPFError) -> Int {
        Int(Int64(bitPattern: try counter(BH_MEMBERS_PROGRAMS)?.own ?? 0))
    }

    /// Stores the number of entries.
    ///
    /// - Parameters:
    ///   - additions: How many the programs had added when they were counted.
    ///   - isChanging: Whether a change is under way, which ends with no more than that. A process that finds such a
    ///     change knows that another was killed during it.
    private func keepCount(_ count: Int, since additions: Int? = nil, isChanging: Bool = false) throws(BPFError) {
        var since = additions ?? 0
        if additions == nil { since = try self.additions() }
        let value = bh_member(
            deadline: UInt64(bitPattern: Int64(since)), own: UInt64(count), prefix_length: 32, pad: isChanging ? 1 : 0)
        try entries.update(MemberTrie.counter(BH_MEMBERS_CONTROLLER), to: value)
    }

    private func counter(_ which: bh_members_count) throws(BPFError) -> bh_member? {
        try entries.lookup(MemberTrie.counter(which))
    }

    private static func counter(_ which: bh_members_count) -> bh_member_key {
        bh_member_key(
            prefix_length: 32, family: which.rawValue, address: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    }

    /// Reclaims expired entries, corrects the others, and counts them.
    private func repair() throws(BPFError) -> Int {
        var live: [Held] = []
        let added = try additions()
        for held in try all() {
            if held.entry.own > now { live.append(held) } else { try entries.delete(bh_member_key(held.prefix)) }
        }
        try settle(live)
        try keepCount(live.count, since: added)
        return live.count
    }

    /// Shorter prefixes first, each once.
    private static func ordered(_ prefixes: [Prefix]) -> [Prefix] {
        var seen: Set<Prefix> = []
        return prefixes.filter { seen.insert($0).inserted }.sorted { $0.length < $1.length }
    }

    private func set(_ prefix: Prefix, own: UInt64) throws(BPFError) {
        try write(prefix, own: own, deadline: max(own, try covered(prefix)))
    }

    private func write(_ prefix: Prefix, own: UInt64, deadline: UInt64) throws(BPFError) {
        try entries.update(
            bh_member_key(prefix),
            to: bh_member(deadline: deadline, own: own, prefix_length: 32 + UInt32(prefix.length), pad: 0))
    }

    /// Corrects the entries under these prefixes. A prefix under another of them is done with that one.
    private func settle(under prefixes: [Prefix]) throws(BPFError) {
        let wide = prefixes.filter { !$0.isOneAddress }
        var last: Prefix?
        for prefix in wide.sorted(by: { ($0.address, $0.length) < ($1.address, $1.length) }) {
            if let last, last.contains(prefix.address) { continue }
            last = prefix
            try settle(try under(prefix))
        }
    }

    private func settle(_ held: [Held]) throws(BPFError) {
        for (prefix, entry) in held.sorted(by: { $0.prefix.length < $1.prefix.length }) {
            let deadline = max(entry.own, try covered(prefix))
            if deadline != entry.deadline { try write(prefix, own: entry.own, deadline: deadline) }
        }
    }
}

extension Prefix {
    fileprivate var isOneAddress: Bool { length == family.bits }

    /// nil: the controller's own entry.
    fileprivate init?(_ key: bh_member_key) {
        guard let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: key.family)), key.prefix_length >= 32,
            Int(key.prefix_length) <= 32 + family.bits
        else { return nil }
        let bytes = unsafe withUnsafeBytes(of: key.address) { unsafe Array($0) }
        let value = bytes.prefix(family.bits / 8).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        self.init(IPAddress(family: family, value: value), length: Int(key.prefix_length) - 32)
    }
}

extension bh_member_key {
    fileprivate init(_ prefix: Prefix) {
        self.init()
        prefix_length = 32 + UInt32(prefix.length)
        family = UInt32(prefix.family.rawValue)
        let value = prefix.address.value << UInt128(128 - prefix.family.bits)
        unsafe withUnsafeMutableBytes(of: &address) { unsafe $0.storeBytes(of: value.bigEndian, as: UInt128.self) }
    }
}
