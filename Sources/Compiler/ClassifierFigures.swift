// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// What an image's rules take, and by which tables a packet's rule is found. Never by a scan of all rules.
public struct ClassifierFigures: Sendable, Hashable {
    public enum Tier: String, Sendable, Hashable {
        /// Every list of rules is short, and read entry by entry.
        case lists
        /// Some lists are long: they are looked up by the packet's service and place.
        case runs
    }

    public var tier: Tier
    public var rules: Int
    public var addressClasses: Int
    /// Pairs of address classes that have a list of rules.
    public var cells: Int
    /// Of the whole image, the policy's text included.
    public var bytes: Int

    public init(tier: Tier, rules: Int, addressClasses: Int, cells: Int, bytes: Int) {
        self.tier = tier
        self.rules = rules
        self.addressClasses = addressClasses
        self.cells = cells
        self.bytes = bytes
    }
}

extension ImageView {
    public var classifier: ClassifierFigures {
        ClassifierFigures(
            tier: tables.run_values > tables.runs ? .runs : .lists, rules: ruleCount,
            addressClasses: Int(tables.class_count), cells: cellCount, bytes: Int(tables.size))
    }

    private var cellCount: Int {
        ImageView.all(tables.partitions).reduce(0) { sum, partition in
            let slots = (Int(partition.mask) + 1) * MemoryLayout<bh_bucket>.size / MemoryLayout<bh_cell>.size
            return sum + (0..<slots).count { element(bh_cell.self, of: partition.buckets, $0)?.list ?? 0 != 0 }
        }
    }
}
