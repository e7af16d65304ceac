// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

/// The packets that each rule has decided: map `rule_counters`, mapped into memory. Each CPU has a value, with a place
/// for each slot.
struct RuleCounters: ~Copyable {
    /// How many values the map has.
    static let cpus = UInt32(Map.possibleCPUs)

    private let mapping: Mapping

    init(_ maps: InstanceMaps, writable: Bool = false) throws(BPFError) {
        mapping = try Mapping(maps[.ruleCounters], writable: writable)
    }

    /// What was counted in a slot, on all CPUs.
    func total(_ slot: UInt32) -> Count {
        RuleCounters.offsets(slot).reduce(into: Count()) { total, offset in
            if let count = mapping.withBytes({ $0.load(bh_count.self, at: offset) }) {
                total = total + Count(count)
            }
        }
    }

    /// Zeroes a slot. No packet may be counted in it at the same time.
    func zero(_ slot: UInt32) {
        for offset in RuleCounters.offsets(slot) { mapping.store(bh_count(), at: offset) }
    }

    private static func offsets(_ slot: UInt32) -> some Sequence<Int> {
        (0..<Int(cpus)).lazy.map { ($0 * Int(BH_RULES_MAX) + Int(slot)) * MemoryLayout<bh_count>.stride }
    }
}
