// SPDX-License-Identifier: Apache-2.0

/// The blocks of two-level key tables: 256 classes each, shared if equal.
struct KeyBlocks {
    private var table = SequenceTable<UInt16>()
    /// The numbers of the blocks that have a single class, by class. Most blocks do.
    private var uniform: [UInt16: UInt32] = [:]

    static let width = 256

    /// All blocks, one after the other.
    var elements: [UInt16] { table.elements }

    /// The numbers of the 256 blocks that make up a table of 16-bit keys.
    mutating func directory(of keys: Intervals<UInt32>) -> [UInt32] {
        var index = 0
        return (0..<256).map { block in
            let start = UInt32(block * KeyBlocks.width)
            let end = start + UInt32(KeyBlocks.width)
            while index + 1 < keys.starts.count, keys.starts[index + 1] <= start { index += 1 }
            guard index + 1 < keys.starts.count, keys.starts[index + 1] < end else {
                return number(ofUniform: UInt16(keys.classes[index]))
            }
            var classes: [UInt16] = []
            for key in start..<end {
                if index + 1 < keys.starts.count, keys.starts[index + 1] == key { index += 1 }
                classes.append(UInt16(keys.classes[index]))
            }
            return UInt32(table.intern(classes))
        }
    }

    private mutating func number(ofUniform value: UInt16) -> UInt32 {
        if let number = uniform[value] { return number }
        let number = UInt32(table.intern(Array(repeating: value, count: KeyBlocks.width)))
        uniform[value] = number
        return number
    }
}
