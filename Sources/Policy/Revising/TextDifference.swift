// SPDX-License-Identifier: Apache-2.0

/// The lines between the first and the last that differ in two texts.
struct TextDifference {
    /// Whole lines, without the last line's end.
    let old: Range<Int>
    let new: Range<Int>

    /// Both ranges are empty if the texts are equal.
    init(_ before: [UInt8], _ after: [UInt8]) {
        let start = TextDifference.commonPrefix(before, after)
        guard start < max(before.count, after.count) else {
            (old, new) = (start..<start, start..<start)
            return
        }
        let tail = TextDifference.commonSuffix(before, after, atMost: min(before.count, after.count) - start)
        let newline = UInt8(ascii: "\n")
        let first = before[..<start].lastIndex(of: newline).map { $0 + 1 } ?? 0
        // What follows the difference is the same in both, so the line ends as far behind it in both.
        let rest = before[(before.count - tail)...]
        let behind = rest.prefix { $0 != newline }.count
        old = first..<before.count - tail + behind
        new = first..<after.count - tail + behind
    }

    private static func commonPrefix(_ one: [UInt8], _ other: [UInt8]) -> Int {
        let count = min(one.count, other.count)
        var start = 0
        while start + 8 <= count, word(one, start) == word(other, start) { start += 8 }
        while start < count, one[start] == other[start] { start += 1 }
        return start
    }

    private static func commonSuffix(_ one: [UInt8], _ other: [UInt8], atMost limit: Int) -> Int {
        var tail = 0
        while tail + 8 <= limit, word(one, one.count - tail - 8) == word(other, other.count - tail - 8) { tail += 8 }
        while tail < limit, one[one.count - tail - 1] == other[other.count - tail - 1] { tail += 1 }
        return tail
    }

    /// Eight bytes at once; they must all be there.
    @inline(__always)
    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset + 8 <= bytes.count)
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    }
}
