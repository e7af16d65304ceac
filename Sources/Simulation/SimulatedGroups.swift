// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Libbpf
import Network

/// The dynamic groups of a simulator: an instance's, as they are in force, or its own, which keep their members from
/// policy to policy as long as they keep their names.
struct SimulatedGroups {
    private var members: [String: Map] = [:]
    /// The places of the policy in use, and those of the one before, because that is still asked.
    private var places: [(name: String, slot: UInt32)] = []
    private var placesBefore: [UInt32] = []
    private let areBorrowed: Bool

    /// - Parameter instance: the instance whose groups they are; nil: the simulator's own. Groups that are not in force
    ///   there are empty at first.
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

    /// Gives the groups of a policy places in these maps, and returns the places in the policy's order.
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

    /// The place of a group of the policy in use; nil: it has none of that name.
    func slot(of name: String) -> UInt32? { places.first { $0.name == name }?.slot }

    /// Empties its own groups. They stay where they are: to put others there waits for all processors.
    func forget() throws(BPFError) {
        guard !areBorrowed else { return }
        for map in members.values { try MemberTrie(map, now: 0).clear() }
    }

    /// The members of one of its own groups, for changing.
    func members(_ group: String) throws(DatapathError) -> Map {
        guard !areBorrowed, let map = members[group] else { throw NoSuchGroup.error(group, members.keys.sorted()) }
        return map
    }
}

extension Simulator {
    /// Makes prefixes members of one of its own dynamic groups.
    ///
    /// - Parameters:
    ///   - seconds: how long they stay; nil: until they are deleted.
    ///   - maximum: of the group.
    public func add(
        _ prefixes: [Prefix], to group: String, seconds: Int? = nil, atMost maximum: Int = .max
    ) throws {
        let deadline = seconds.map { clock.bootTime + UInt64($0) * 1_000_000_000 } ?? MemberTrie.forever
        _ = try trie(group).add(prefixes, until: deadline, atMost: maximum)
        mapping.noteChange()
    }

    /// Takes prefixes out of one of its own dynamic groups.
    public func delete(_ prefixes: [Prefix], from group: String) throws {
        _ = try trie(group).delete(prefixes)
        mapping.noteChange()
    }

    /// The prefixes that are members of one of its own dynamic groups.
    public func members(of group: String) throws -> Set<Prefix> { Set(try trie(group).members().map(\.prefix)) }

    private func trie(_ group: String) throws -> MemberTrie {
        try MemberTrie(groups.members(group), now: clock.bootTime)
    }
}
