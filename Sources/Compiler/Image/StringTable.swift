// SPDX-License-Identifier: Apache-2.0

/// NUL-terminated texts without repetitions. Offset 0 is the empty text.
struct StringTable {
    private(set) var bytes: [UInt8] = [0]
    private var offsets: [String: UInt32] = ["": 0]

    /// - Parameter count: The approximate number of texts.
    init(expecting count: Int) { offsets.reserveCapacity(count) }

    mutating func offset(of text: String) -> UInt32 {
        if let offset = offsets[text] { return offset }
        let offset = UInt32(bytes.count)
        offsets[text] = offset
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
        return offset
    }
}
