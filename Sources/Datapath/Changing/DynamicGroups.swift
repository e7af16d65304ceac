// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Host
import Libbpf
import Network
import Policy

extension Instance {
    /// Makes prefixes members of a dynamic group. All are in force when it returns; none is if it throws.
    ///
    /// - Parameter seconds: how long they stay; nil: the group's timeout, or until they are deleted if it has none.
    public func add(
        _ prefixes: [Prefix], to name: String, seconds: Int? = nil
    ) throws(DatapathError) -> GroupChange {
        try changeGroup(name) { group, map in
            let now = KernelClock.nanoseconds(CLOCK_BOOTTIME)
            let length = seconds.map { UInt64($0) * 1_000_000_000 } ?? group.timeout
            let trie = try MemberTrie(map, now: now)
            do {
                let added = try trie.add(
                    prefixes, until: length.map { now + $0 } ?? MemberTrie.forever, atMost: group.maximum)
                return GroupChange(group: name, changed: added, others: Set(prefixes).count - added)
            } catch let full as MemberTrie.Full {
                throw DatapathError(
                    "group '\(name)' has room for \(group.maximum) members: \(full.members) are there, \(full.fresh) "
                        + "would come; nothing was added",
                    advice: "delete members, or give the group a larger \"max\" in the policy and apply it")
            }
        }
    }

    /// Takes prefixes out of a dynamic group. Longer prefixes under them that were added themselves stay.
    public func delete(_ prefixes: [Prefix], from name: String) throws(DatapathError) -> GroupChange {
        try changeGroup(name) { _, map in
            let trie = try MemberTrie(map, now: KernelClock.nanoseconds(CLOCK_BOOTTIME))
            let deleted = try trie.delete(prefixes)
            let all = Set(prefixes)
            return GroupChange(
                group: name, changed: deleted, others: all.count - deleted,
                covered: try all.filter { try trie.contains($0) }.sorted { $0.address < $1.address })
        }
    }

    /// Takes all members out of a dynamic group, in one step.
    public func flush(_ name: String) throws(DatapathError) -> GroupChange {
        try changeGroup(name) { group, map in
            let trie = try MemberTrie(map, now: KernelClock.nanoseconds(CLOCK_BOOTTIME))
            let count = try trie.members().count
            try self.openMaps(.maps).replaceInner(.groups, group.slot, by: try MemberTrie.make())
            return GroupChange(group: name, changed: count, others: 0)
        }
    }

    /// The policy's dynamic groups, or the one called `name`, with their members.
    public func groups(_ name: String? = nil) throws(DatapathError) -> [GroupMembers] {
        let maps = try openMaps()
        let image = try imageInForce(maps)
        return try groups(
            name.map { name throws(DatapathError) in [try image.group(name)] } ?? image.view.groups, maps)
    }

    package func groups(_ groups: [ImageView.GroupRecord], _ maps: InstanceMaps) throws(DatapathError) -> [GroupMembers]
    {
        try DatapathError.naming("cannot read the members") {
            try groups.map { group in
                let now = KernelClock.nanoseconds(CLOCK_BOOTTIME)
                let members = try maps.members(group).map { try MemberTrie($0, now: now).members() } ?? []
                return GroupMembers(
                    name: group.name, maximum: group.maximum, timeout: group.timeout,
                    members: members.map {
                        .init(prefix: $0.prefix, left: $0.deadline == BH_FOREVER ? nil : $0.deadline - now)
                    })
            }
        }
    }

    /// Changes a group's members, then has flows that depend on groups judged again, even if the change failed on its
    /// way.
    private func changeGroup(
        _ name: String, _ change: (ImageView.GroupRecord, Map) throws -> GroupChange
    ) throws(DatapathError) -> GroupChange {
        let maps = try openMaps()
        let lock = try lockPublishing()
        let group = try groupInForce(name, maps)
        let report = try DatapathError.naming("cannot change group '\(name)'") {
            guard let map = try maps.members(group) else {
                throw DatapathError("group '\(name)' has no place in the kernel", advice: "apply the policy again")
            }
            defer { try? LiveImage.noteChange(in: maps) }
            return try change(group, map)
        }
        _ = consume lock
        return report
    }
}

extension Instance {
    /// The group of the image in force; where only the other one of a trial and its base has it, of that one. Both have
    /// the same place for it.
    private func groupInForce(_ name: String, _ maps: InstanceMaps) throws(DatapathError) -> ImageView.GroupRecord {
        let images = try LiveImage.allPublished(in: maps)
        guard let first = images.first else { throw notThere }
        return try (images.first { image in image.view.groups.contains { $0.name == name } } ?? first).group(name)
    }
}

extension LiveImage {
    fileprivate func group(_ name: String) throws(DatapathError) -> ImageView.GroupRecord {
        let groups = view.groups
        if let group = groups.first(where: { $0.name == name }) { return group }
        throw NoSuchGroup.error(name, groups.map(\.name))
    }

    /// Has flows that depend on dynamic groups judged again. To be called after the groups have changed, because the
    /// programs read the epoch before the members.
    fileprivate static func noteChange(in maps: InstanceMaps) throws {
        try withAllPublished(in: maps) { try Mapping($0, writable: true).noteChange() }
    }
}

extension Mapping {
    /// Moves an image's epoch on by one.
    package func noteChange() {
        let epoch = \bh_image_header.epoch
        store((load(epoch) ?? 0) &+ 1, in: epoch)
    }
}

extension InstanceMaps {
    /// The members of a group; nil if it has no place.
    package func members(_ group: ImageView.GroupRecord) throws(BPFError) -> Map? {
        try inner(.groups, group.slot, name: "members of \(group.name)")
    }
}

/// Why a command cannot find a group.
package enum NoSuchGroup {
    package static func error(_ name: String, _ dynamic: [String]) -> DatapathError {
        guard !dynamic.isEmpty else {
            return DatapathError(
                "the policy in force has no dynamic group '\(name)': it has none at all",
                advice: "give the group \"dynamic: {}\" in the policy and apply it")
        }
        let nearest = NearestName.of(name, among: dynamic)
        return DatapathError(
            "the policy in force has no dynamic group '\(name)'",
            advice: nearest.map { "did you mean '\($0)'?" }
                ?? "it has: \(dynamic.prefix(20).joined(separator: ", "))")
    }
}
