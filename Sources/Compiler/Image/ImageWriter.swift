// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Puts the tables of an image one behind the other.
struct ImageWriter {
    private(set) var bytes: [UInt8] = []
    private let budget: Budget

    /// - Parameter count: How many bytes there will be, about.
    init(_ budget: Budget, expecting count: Int) {
        self.budget = budget
        bytes.reserveCapacity(count)
    }

    /// Where the next table will start, if its elements are at most a cache line.
    static let line = 64

    /// Appends a table on a cache line, or on a multiple of its elements' size where that is more, so that no element
    /// straddles an image page.
    ///
    /// - Returns: Its offset.
    mutating func append<Element: BitwiseCopyable>(_ table: [Element]) throws(CompileError) -> UInt32 {
        let offset = try start(table.count, of: Element.self)
        // Imported C structures without implicit padding: every byte is set.
        unsafe table.withUnsafeBytes { source in unsafe bytes.append(contentsOf: source) }
        return offset
    }

    /// Appends a text.
    mutating func append(_ text: String) throws(CompileError) -> UInt32 {
        let offset = try start(text.utf8.count, of: UInt8.self)
        bytes.append(contentsOf: text.utf8)
        return offset
    }

    /// Appends a table of zeroed elements.
    mutating func reserve<Element: BitwiseCopyable>(
        _ count: Int, of type: Element.Type
    ) throws(CompileError) -> UInt32 {
        let offset = try start(count, of: type)
        bytes.append(contentsOf: Array(repeating: 0, count: count * MemoryLayout<Element>.stride))
        return offset
    }

    /// Replaces what stands at an offset.
    mutating func write<Element: BitwiseCopyable>(_ value: Element, at offset: Int) {
        unsafe withUnsafeBytes(of: value) { source in
            unsafe bytes.replaceSubrange(offset..<offset + source.count, with: source)
        }
    }

    /// Aligns for a table; refuses one that the image cannot hold.
    private mutating func start<Element>(_ count: Int, of type: Element.Type) throws(CompileError) -> UInt32 {
        align(to: max(ImageWriter.line, MemoryLayout<Element>.stride))
        let end = bytes.count + count * MemoryLayout<Element>.stride
        try budget.check("bytes of image", end, atMost: \.imageBytes, by: .addresses)
        return UInt32(bytes.count)
    }

    mutating func align(to alignment: Int) {
        let rest = bytes.count % alignment
        if rest != 0 { bytes.append(contentsOf: Array(repeating: 0, count: alignment - rest)) }
    }
}
