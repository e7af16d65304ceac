// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import CLibbpf
import Libbpf

/// The packets that each rule has decided: the pages of map `rule_counters`, mapped into memory. A page has a value for
/// each CPU, with a place for each of its slots.
struct RuleCounters {
    /// How many values a page has.
    static let cpus = UInt32(Map.possibleCPUs)

    private let pages: [UInt32: Page]

    /// Keeps a page's mapping.
    private final class Page {
        let mapping: Mapping

        init(_ map: Map, writable: Bool) throws(BPFError) { mapping = try Mapping(map, writable: writable) }
    }

    init(_ maps: InstanceMaps, writable: Bool = false) throws(BPFError) {
        var pages: [UInt32: Page] = [:]
        for (index, map) in try maps.allInner(.ruleCounters) { pages[index] = try Page(map, writable: writable) }
        self.pages = pages
    }

    /// Makes the pages of slots that have none. Packets count from then on.
    static func provide(_ slots: [UInt32], in maps: InstanceMaps) throws(BPFError) {
        try maps.provideInner(.ruleCounters, Set(slots.map(pageIndex)), makePage)
    }

    /// Makes an empty page.
    static func makePage() throws(BPFError) -> Map {
        try Map(
            type: BPF_MAP_TYPE_ARRAY, name: "rule_page",
            valueSize: UInt32(BH_RULE_PAGE) * UInt32(MemoryLayout<bh_count>.stride), maxEntries: cpus,
            flags: UInt32(BPF_F_MMAPABLE))
    }

    /// What was counted in a slot, on all CPUs.
    func total(_ slot: UInt32) -> Count {
        guard let page = page(of: slot) else { return Count() }
        return RuleCounters.offsets(slot).reduce(into: Count()) { total, offset in
            if let count = page.mapping.withBytes({ $0.load(bh_count.self, at: offset) }) {
                total = total + Count(count)
            }
        }
    }

    /// Zeroes a slot. No packet may be counted in it at the same time.
    func zero(_ slot: UInt32) {
        guard let page = page(of: slot) else { return }
        for offset in RuleCounters.offsets(slot) { page.mapping.store(bh_count(), at: offset) }
    }

    private func page(of slot: UInt32) -> Page? { pages[RuleCounters.pageIndex(slot)] }

    private static func pageIndex(_ slot: UInt32) -> UInt32 { slot >> UInt32(BH_RULE_PAGE_BITS) }

    private static func offsets(_ slot: UInt32) -> some Sequence<Int> {
        let place = Int(slot) % Int(BH_RULE_PAGE)
        return (0..<Int(cpus)).lazy.map { ($0 * Int(BH_RULE_PAGE) + place) * MemoryLayout<bh_count>.stride }
    }
}
