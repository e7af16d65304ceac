// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import Network
import TestSupport
import Testing

@testable import Datapath

private func prefix(_ text: String) throws -> Prefix { try Prefix(parsing: text) }

/// The members of a dynamic group in the kernel's own trie, against a plain list of prefixes and deadlines.
@Suite struct MemberTrieTests {
    private static let place = [Prefix("203.0.113.0", length: 24), Prefix("2001:db8:9::", length: 48)]

    /// So few bits vary that prefixes cover each other.
    private static func draw(_ random: inout RandomNumbers) -> Prefix {
        let base = random.pick(place)
        let bits = base.family.bits
        let length = random.pick([0, bits - 8, bits - 7, bits - 5, bits - 3, bits - 1, bits, bits, bits])
        return Prefix(
            IPAddress(family: base.family, value: base.address.value | UInt128(random.number(0...255))),
            length: length)
    }

    private struct Model {
        var ends: [Prefix: UInt64] = [:]

        func live(at now: UInt64) -> [Prefix: UInt64] { ends.filter { $0.value > now } }
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func agreesWithAList(seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let map = try MemberTrie.make()
        var model = Model()
        var now: UInt64 = 1000
        for step in 0..<120 {
            now += UInt64(random.number(0...3))
            let trie = try MemberTrie(map, now: now)
            let live = model.live(at: now)
            if random.once(in: 3) {
                let gone = (0..<random.number(1...6)).map { _ in
                    live.isEmpty || random.once(in: 3)
                        ? Self.draw(&random) : random.pick(live.keys.sorted { "\($0)" < "\($1)" })
                }
                #expect(try trie.delete(gone) == Set(gone).count { live[$0] != nil })
                for prefix in gone { model.ends[prefix] = nil }
            } else {
                let prefixes = (0..<random.number(1...6)).map { _ in Self.draw(&random) }
                let deadline = random.once(in: 4) ? MemberTrie.forever : now + UInt64(random.number(1...30))
                let added = Set(prefixes).count { live[$0] == nil }
                let maximum = random.once(in: 3) ? live.count + added - random.number(0...1) : 1000
                if live.count + added > maximum {
                    #expect(throws: MemberTrie.Full.self) {
                        try trie.add(prefixes, until: deadline, atMost: maximum)
                    }
                } else {
                    #expect(try trie.add(prefixes, until: deadline, atMost: maximum) == added)
                    for prefix in prefixes { model.ends[prefix] = deadline }
                }
            }
            try compare(map, model, at: now, "seed \(seed), step \(step)")
            // Members that expire later, without a process that does anything.
            try compare(map, model, at: now + UInt64(random.number(1...40)), "seed \(seed), step \(step), later")
        }
    }

    private func compare(_ map: Map, _ model: Model, at now: UInt64, _ what: String) throws {
        let trie = try MemberTrie(map, now: now)
        let live = model.live(at: now)
        let members = try trie.members()
        try #require(Dictionary(members.map { ($0.prefix, $0.deadline) }) { $1 } == live, "\(what)")
        #expect(members.count == live.count)
        for base in Self.place {
            for number in stride(from: 0, through: 256, by: 3) {
                let address = IPAddress(family: base.family, value: base.address.value &+ UInt128(number))
                let isMember = live.keys.contains { $0.contains(address) }
                try #require(try trie.contains(Prefix(address)) == isMember, "\(what): \(address)")
            }
        }
    }

    /// The programs take out more than they have added where they reclaim what a command added. Their count is no
    /// member, whatever it is.
    @Test func countsOnlyMembers() throws {
        let map = try MemberTrie.make()
        let trie = try MemberTrie(map, now: 1_000)
        _ = try trie.add([prefix("192.0.2.1"), prefix("2001:db8::/64")], until: 2_000, atMost: 10)
        var key = bh_member_key()
        key.prefix_length = 32
        key.family = BH_MEMBERS_PROGRAMS.rawValue
        let less = bh_member(deadline: 0, own: UInt64(bitPattern: -3), prefix_length: 32, pad: 0)
        try KeyedMap<bh_member_key, bh_member>(map).update(key, to: less)
        #expect(try trie.members().count == 2)
        #expect(try trie.memberCount() == 2)
        #expect(try MemberTrie(map, now: 2_000).memberCount() == 0)
    }

    /// A command was killed between two steps of a change; the next one completes it.
    @Test func whatWasLeftHalfDoneIsRepaired() throws {
        let map = try MemberTrie.make()
        let trie = try MemberTrie(map, now: 100)
        _ = try trie.add([prefix("203.0.113.0/24"), prefix("203.0.113.7")], until: 200, atMost: 10)
        let entries = try KeyedMap<bh_member_key, bh_member>(map)
        // The wide prefix has its new deadline, those under it do not yet.
        for (key, entry) in try entries.entries(after: nil, limit: 10) {
            var entry = entry
            if key.family == 0 { entry.own = BH_FOREVER }
            if key.family == 4, key.prefix_length == 32 + 24 { (entry.own, entry.deadline) = (500, 500) }
            try entries.update(key, to: entry)
        }
        #expect(try !MemberTrie(map, now: 300).contains(prefix("203.0.113.7")))
        #expect(try MemberTrie(map, now: 300).add([prefix("2001:db8::1")], until: 400, atMost: 2) == 1)
        #expect(try MemberTrie(map, now: 300).contains(prefix("203.0.113.7")))
        let members = Set(try MemberTrie(map, now: 300).members().map(\.prefix))
        #expect(members == [try prefix("203.0.113.0/24"), try prefix("2001:db8::1")])
        #expect(throws: MemberTrie.Full.self) {
            try MemberTrie(map, now: 300).add([prefix("2001:db8::2")], until: 400, atMost: 2)
        }
    }

    @Test func aGroupKeepsItsPlaceByName() {
        let first = GroupAllotment(["a", "b"], old: [])
        #expect(first.slots == [0, 1] && first.fresh == [0, 1] && first.gone(.gone).isEmpty)
        let second = GroupAllotment(["c", "b"], old: [("a", 0), ("b", 1)])
        // The slot of the group that goes is not given to the new one, because packets may still look there.
        #expect(second.slots == [2, 1] && second.fresh == [2] && second.gone(.gone) == [0])
    }

    /// The earlier policy is asked with its own groups, so nobody else gets their slots until it goes.
    @Test func thePolicyBeforeKeepsItsGroups() {
        let second = GroupAllotment(["b"], old: [("a", 0), ("b", 1)])
        #expect(second.gone(.kept).isEmpty && second.gone(.gone) == [0])
        // A group of the same name in the third policy is a new one.
        let third = GroupAllotment(["b", "a"], old: [("b", 1)], before: [0, 1])
        #expect(third.slots == [1, 2] && third.fresh == [2])
        #expect(third.gone(.kept) == [0] && third.gone(.same).isEmpty && third.gone(.gone) == [0])
    }
}
