// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Builds the address tables: nodes of eight bits with shared values. In IPv6 a node may skip a run of bits.
struct AddressTrie {
    let nodes: [bh_node]
    /// The values of all nodes, one run after the other.
    let values: [UInt32]
    let v4Root: [UInt32]
    let v6Root: UInt32
    /// The roots of the further sets, which use the same nodes.
    let setRoots: [UInt32]

    /// Builds the tries of address classes.
    ///
    /// - Parameter sets: Further sets of left-aligned addresses of either family, each with classes of its own.
    init(v4: Intervals<UInt32>, v6: Intervals<UInt128>, sets: [Intervals<UInt128>] = []) {
        var v4Builder = Builder(intervals: v4, compresses: false)
        var root: [UInt32] = []
        v4Builder.slots(count: 1 << 16, from: 0..<v4.starts.count, start: 0, depth: 1) { value, count in
            root.append(contentsOf: Array(repeating: value, count: count))
        }
        v4Root = root
        var v6Builder = Builder(intervals: v6, compresses: true, nodes: v4Builder.nodes, values: v4Builder.values)
        v6Root = v6Builder.value(of: 0..<v6.starts.count, start: 0, depth: 0)
        var setRoots: [UInt32] = []
        for set in sets {
            v6Builder.intervals = set
            setRoots.append(v6Builder.value(of: 0..<set.starts.count, start: 0, depth: 0))
        }
        self.setRoots = setRoots
        values = v6Builder.values.elements
        nodes = (0..<v6Builder.nodes.count).map { AddressTrie.node(v6Builder.nodes[$0], v6Builder.values) }
    }

    private static func node(_ words: ArraySlice<UInt64>, _ values: SequenceTable<UInt32>) -> bh_node {
        let words = Array(words)
        var node = bh_node()
        node.changes = (words[0], words[1], words[2], words[3])
        node.path = words[4]
        node.path_bits = UInt8(words[5])
        node.path_mask = words[5] == 0 ? 0 : ~0 << (64 - words[5])
        node.base = UInt32(values.starts[Int(words[6])])
        node.otherwise = UInt32(words[7])
        let counts = words.prefix(3).map { UInt8($0.nonzeroBitCount) }
        node.before = (0, counts[0], counts[0] + counts[1], counts[0] + counts[1] + counts[2])
        return node
    }
}

extension AddressTrie {
    /// Builds the nodes for one family's intervals.
    struct Builder<Position: FixedWidthInteger & UnsignedInteger & Sendable> {
        var intervals: Intervals<Position>
        let compresses: Bool
        /// A node as eight words: four of changes, then path, path bits, id of its values, and `otherwise`.
        var nodes = SequenceTable<UInt64>()
        var values = SequenceTable<UInt32>()

        /// The trie value of the block of `depth` bytes at `start`, which the intervals of `range` overlap.
        mutating func value(of range: Range<Int>, start: Position, depth: Int) -> UInt32 {
            if range.count == 1 { return intervals.classes[range.lowerBound] }
            let run = compresses ? run(range, depth: depth) : 0
            let nodeDepth = depth + run
            // Behind the run, everything but the outer class lies in one block, the one of the first change.
            let inner = run == 0 ? start : block(intervals.starts[range.lowerBound + 1], depth: nodeDepth)
            var words = [UInt64](repeating: 0, count: 8)
            var slotValues: [UInt32] = []
            var slot = 0
            slots(count: 256, from: range, start: inner, depth: nodeDepth) { value, count in
                if slotValues.last != value {
                    slotValues.append(value)
                    words[slot >> 6] |= 1 << UInt64(slot & 63)
                }
                slot += count
            }
            if run > 0 {
                let path = UInt64(truncatingIfNeeded: (inner << (8 * depth)) >> (Position.bitWidth - 64))
                words[4] = path & ~0 << UInt64(64 - 8 * run)
                words[5] = UInt64(8 * run)
                words[7] = UInt64(intervals.classes[range.lowerBound])
            }
            words[6] = UInt64(values.intern(slotValues))
            return UInt32(nodes.intern(words)) | BH_TRIE_NODE
        }

        /// How many bytes below `depth` all changes of class have in common, if the block has a single class outside of
        /// them. At most seven, the longest run of one node.
        private func run(_ range: Range<Int>, depth: Int) -> Int {
            let outer = intervals.classes[range.lowerBound]
            guard range.count > 2, intervals.classes[range.upperBound - 1] == outer else { return 0 }
            let first = intervals.starts[range.lowerBound + 1]
            let last = intervals.starts[range.upperBound - 1] - 1
            var common = (first ^ last).leadingZeroBitCount / 8
            // The node after the run must have something to tell apart.
            let isWhole = first == block(first, depth: common) && last == ~block(~last, depth: common)
            if range.count == 3, isWhole { common -= 1 }
            return min(max(common - depth, 0), 7)
        }

        /// The first number of the block of `depth` bytes that contains a number.
        private func block(_ position: Position, depth: Int) -> Position {
            depth == 0 ? 0 : position & ~0 << Position(Position.bitWidth - 8 * depth)
        }

        /// Calls `body` with the values of `count` equal blocks of `depth + 1` bytes from `start`. Equal neighbours may
        /// come together or one by one.
        mutating func slots(
            count: Int, from range: Range<Int>, start: Position, depth: Int,
            _ body: (_ value: UInt32, _ count: Int) -> Void
        ) {
            let shift = Position(Position.bitWidth - 8 * (depth + 1))
            var index = range.lowerBound
            var slot = 0
            while slot < count {
                let first = start + Position(slot) << shift
                let last = first + (Position(1) << shift - 1)
                while index + 1 < range.upperBound, intervals.starts[index + 1] <= first { index += 1 }
                var end = index + 1
                while end < range.upperBound, intervals.starts[end] <= last { end += 1 }
                if end > index + 1 {
                    body(value(of: index..<end, start: first, depth: depth + 1), 1)
                    slot += 1
                } else {
                    var next = count
                    if end < range.upperBound {
                        let distance = (intervals.starts[end] - start) >> shift
                        next = distance < Position(count) ? Int(distance) : count
                    }
                    body(intervals.classes[index], next - slot)
                    slot = next
                }
            }
        }
    }
}
