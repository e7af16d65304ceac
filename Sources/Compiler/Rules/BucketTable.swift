// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The hash table of one partition's cells. Each cell is in one of two buckets of four slots.
struct BucketTable {
    /// Four slots per bucket; a free slot is zero.
    private(set) var slots: [bh_cell]
    let count: UInt32
    private var isFull: [Bool]

    private static let width = 4
    /// From this number of buckets on, 4 MiB, a table is no larger than need be. Smaller ones stay in the caches
    /// anyway, and their next power of two has fewer full buckets.
    private static let large = 1 << 16

    /// Places the cells in a table that grows until all of them fit.
    ///
    /// - Parameters:
    ///   - cells: Distinct pairs of classes.
    ///   - limit: The most buckets.
    init(_ cells: [bh_cell], atMost limit: Int) throws(CompileError) {
        var buckets = 1
        while buckets * 3 < cells.count, buckets < BucketTable.large { buckets *= 2 }
        buckets = max(buckets, (cells.count + 2) / 3)
        while buckets <= limit {
            if let table = BucketTable(cells, buckets: buckets) {
                self = table
                return
            }
            buckets = buckets < BucketTable.large ? buckets * 2 : buckets + buckets / 8
        }
        throw CompileError(
            message: "\(cells.count) pairs of address classes do not fit into a hash table of \(limit) buckets")
    }

    private init?(_ cells: [bh_cell], buckets: Int) {
        slots = [bh_cell](repeating: bh_cell(), count: buckets * BucketTable.width)
        isFull = [Bool](repeating: false, count: buckets)
        count = UInt32(buckets)
        for cell in cells where !place(cell) { return nil }
        for bucket in isFull.indices where isFull[bucket] { slots[bucket * BucketTable.width].rank |= BH_BUCKET_FULL }
    }

    private func buckets(of cell: bh_cell) -> (first: Int, second: Int) {
        let hash = bh_cell_hash(cell.from, cell.to)
        return (
            Int(bh_bucket_number(UInt32(truncatingIfNeeded: hash), count)),
            Int(bh_bucket_number(UInt32(truncatingIfNeeded: hash >> 32), count))
        )
    }

    private func freeSlot(_ bucket: Int) -> Int? {
        let start = bucket * BucketTable.width
        return (start..<start + BucketTable.width).first { slots[$0].list == 0 }
    }

    private mutating func place(_ cell: bh_cell) -> Bool {
        let (first, second) = buckets(of: cell)
        if let slot = freeSlot(first) ?? vacate(first) {
            slots[slot] = cell
            return true
        }
        guard let slot = freeSlot(second) ?? vacate(second) else { return false }
        // A bucket that overflowed never has a free slot again, so the flag can be set in its first cell.
        isFull[first] = true
        slots[slot] = cell
        return true
    }

    /// Frees a slot of a full bucket by moving one of its cells to that cell's second bucket.
    private mutating func vacate(_ bucket: Int) -> Int? {
        let start = bucket * BucketTable.width
        for slot in start..<start + BucketTable.width {
            let (first, second) = buckets(of: slots[slot])
            guard first == bucket, second != bucket, let free = freeSlot(second) else { continue }
            slots[free] = slots[slot]
            isFull[bucket] = true
            return slot
        }
        return nil
    }
}
