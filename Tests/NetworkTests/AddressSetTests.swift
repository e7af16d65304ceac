// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

@Suite struct AddressSetTests {
    @Test func mergesWhatTouches() throws {
        let set = try AddressSet(
            ["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7", "2001:db8::/33", "2001:db8:8000::/33"].map(
                Prefix.init(parsing:)))
        #expect(set.description == "192.0.2.0/24 2001:db8::/32")
        #expect(AddressSet.all.prefixes.map(\.description) == ["0.0.0.0/0", "::/0"])
        #expect(AddressSet.all.subtracting(.all).isEmpty)
        #expect(AddressSet.empty.description == "nothing")
        #expect(AddressSet(unionOf: [set, .all]) == .all)
    }

    @Test func cutsAtTheEnds() throws {
        let all = AddressSet.all
        let ends = try AddressSet(
            ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"].map(Prefix.init(parsing:)))
        let middle = all.subtracting(ends)
        #expect(middle.v4 == [1...0xffff_fffe])
        #expect(middle.v6 == [1...(UInt128.max - 1)])
        #expect(middle.union(ends) == all)
        #expect(middle.intersection(ends).isEmpty)
    }

    /// Sets of a small universe, against plain sets of numbers.
    @Test func agreesWithPlainSets() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let (left, right) = (sample(&random), sample(&random))
            let (a, b) = (set(left), set(right))
            #expect(numbers(a) == left)
            #expect(numbers(a.union(b)) == left.union(right))
            #expect(numbers(a.subtracting(b)) == left.subtracting(right))
            #expect(numbers(a.intersection(b)) == left.intersection(right))
            #expect(AddressSet(a.prefixes) == a)
            let block = Prefix(IPAddress(v4: UInt32.random(in: 0..<256, using: &random)), length: 29)
            #expect(a.intersects(block) == left.contains { block.contains(IPAddress(v4: $0)) })
        }
    }

    private func sample(_ random: inout SystemRandomNumberGenerator) -> Set<UInt32> {
        Set((0..<Int.random(in: 0...120, using: &random)).map { _ in UInt32.random(in: 0..<256, using: &random) })
    }

    private func set(_ numbers: Set<UInt32>) -> AddressSet { AddressSet(numbers.map { Prefix(IPAddress(v4: $0)) }) }

    private func numbers(_ set: AddressSet) -> Set<UInt32> {
        Set((UInt32(0)..<256).filter { set.contains(IPAddress(v4: $0)) })
    }
}
