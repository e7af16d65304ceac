// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The size of an image's classifier, and the kind of its tables. No tier scans all rules.
public struct ClassifierFigures: Sendable, Hashable {
    public enum Tier: String, Sendable, Hashable {
        /// Every rule list is short and is read entry by entry.
        case lists
        /// Some rule lists are long and are looked up by the packet's service and place.
        case runs
        /// Some rules are in bitmaps besides, because their address sets overlap in too many ways for cells.
        case bitmaps
    }

    public var tier: Tier
    public var rules: Int
    public var addressClasses: Int
    /// Pairs of address classes that have a rule list.
    public var cells: Int
    /// Rules in bitmaps, at each pair of address sets by itself.
    public var bitmapItems: Int
    /// The bytes of the whole image, with the policy's text.
    public var bytes: Int

    public init(tier: Tier, rules: Int, addressClasses: Int, cells: Int, bitmapItems: Int = 0, bytes: Int) {
        self.tier = tier
        self.rules = rules
        self.addressClasses = addressClasses
        self.cells = cells
        self.bitmapItems = bitmapItems
        self.bytes = bytes
    }
}

extension ImageView {
    public var classifier: ClassifierFigures {
        ClassifierFigures(
            tier: tables.bitmap_width > 0 ? .bitmaps : tables.run_values > tables.runs ? .runs : .lists,
            rules: ruleCount, addressClasses: Int(tables.class_count), cells: cellCount, bitmapItems: itemCount,
            bytes: Int(tables.size))
    }

    private var itemCount: Int {
        (0..<Int(tables.bitmap_width) * 64).count {
            element(UInt32.self, of: tables.item_ranks, $0) ?? BH_NONE != BH_NONE
        }
    }

    private var cellCount: Int {
        ImageView.all(tables.partitions).reduce(0) { sum, partition in
            let slots = Int(partition.count) * MemoryLayout<bh_bucket>.size / MemoryLayout<bh_cell>.size
            return sum + (0..<slots).count { element(bh_cell.self, of: partition.buckets, $0)?.list ?? 0 != 0 }
        }
    }
}
