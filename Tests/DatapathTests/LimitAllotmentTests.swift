// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Datapath

@Suite struct LimitAllotmentTests {
    @Test func aRuleKeepsItsPlaceByName() {
        let first = LimitAllotment([("a", 0), ("b", 3)], old: [])
        #expect(first.slots == [0: 0, 3: 1])
        #expect(first.fresh == [0, 1])
        let second = LimitAllotment([("c", 0), ("b", 1), ("d", 2)], old: first.named)
        // A slot that the old generation still uses is not given to another rule.
        #expect(second.slots == [0: 2, 1: 1, 2: 3])
        #expect(second.fresh == [2, 3])
        #expect(LimitAllotment([], old: second.named).slots.isEmpty)
    }
}
