// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Libbpf
import Network

/// The dynamic groups of a simulator: those of an instance, as they are in force, or its own, which keep their members
/// by name from policy to policy.
struct SimulatedGroups {
    private var members: [String: Map] = [:]
    /// The places of the policy that is used, and those of the one before, which is still asked.
    private var places: [(name: String, slot: UInt32)] = []
    private var placesBefore: [UInt32] = []
    private let areBorrowed: Bool

    /// - Parameter instance: whose; nil, or one that has no policy in force: they have no members at first.
    init(membersOf instance: Instance?) throws(DatapathError) {
        areBorrowed = instance != nil
        guard let instance, let maps = try? instance.openMaps(), let image = try LiveImage.published(in: maps)
        else { return }
        do throws(BPFError) {
            for group in image.view.groups { members[group.name] = try maps.members(group) }
        } catch {
            throw DatapathError("cannot read the members of dynamic groups", error)
        }
    }

    /// Gives the groups of a policy places in these maps, and returns them by the policy's order.
    mutating func use(_ view: ImageView, in maps: InstanceMaps) throws(DatapathError) -> [UInt32] {
        let names = view.groups.map(\.name)
        let allotment = GroupAllotment(names, old: places, before: placesBefore)
        do throws(BPFError) {
            if !areBorrowed { members = members.filter { names.contains($0.key) } }
            for (name, slot) in zip(names, allotment.slots) {
                if members[name] == nil { members[name] = try MemberTrie.make() }
                if let map = members[name] { try maps[.groups].update(slot, to: map) }
            }
        } catch {
            throw DatapathError("cannot prepare the dynamic groups of the test run", error)
        }
        placesBefore = places.map(\.slot)
        places = zip(names, allotment.slots).map { ($0, $1) }
        return allotment.slots
    }

    /// Its own groups are to have no members where they are used next.
    mutating func forget() {
        if !areBorrowed { members = [:] }
    }

    /// The members of a group of its own, to be changed.
    func members(_ group: String) throws(DatapathError) -> Map {
        guard !areBorrowed, let map = members[group] else { throw NoSuchGroup.error(group, members.keys.sorted()) }
        return map
    }
}

extension Simulator {
    /// Makes prefixes members of a dynamic group of its own.
    ///
    /// - Parameter seconds: for how long; nil: until they are deleted.
    public func add(_ prefixes: [Prefix], to group: String, seconds: Int? = nil) throws {
        let deadline = seconds.map { clock.bootTime + UInt64($0) * 1_000_000_000 } ?? MemberTrie.forever
        _ = try trie(group).add(prefixes, until: deadline, atMost: .max)
        mapping.noteChange()
    }

    /// Takes prefixes out of a dynamic group of its own.
    public func delete(_ prefixes: [Prefix], from group: String) throws {
        _ = try trie(group).delete(prefixes)
        mapping.noteChange()
    }

    /// The prefixes that are members of a dynamic group of its own.
    public func members(of group: String) throws -> Set<Prefix> { Set(try trie(group).members().map(\.prefix)) }

    private func trie(_ group: String) throws -> MemberTrie {
        try MemberTrie(groups.members(group), now: clock.bootTime)
    }
}
