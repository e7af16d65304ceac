// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// Writes the tables of an image one after the other.
struct ImageWriter {
    private(set) var bytes: [UInt8] = []
    private let budget: Budget

    /// - Parameter count: The approximate size in bytes.
    init(_ budget: Budget, expecting count: Int) {
        self.budget = budget
        bytes.reserveCapacity(count)
    }

    /// Goes on after the first bytes of another image.
    init(_ budget: Budget, after bytes: ArraySlice<UInt8>, expecting count: Int) {
        self.init(budget, expecting: count)
        self.bytes += bytes
    }

    /// The alignment of tables, a cache line; larger elements are aligned to their size.
    static let line = 64

    /// Appends a table, aligned to a cache line, or to its elements' size if that is larger, so that no element
    /// straddles an image page.
    ///
    /// - Returns: The table's offset.
    mutating func append<Element: BitwiseCopyable>(_ table: [Element]) throws(CompileError) -> UInt32 {
        let offset = try start(table.count, of: Element.self)
        // The elements are imported C structures without implicit padding, so every byte is initialised.
        unsafe table.withUnsafeBytes { source in unsafe bytes.append(contentsOf: source) }
        return offset
    }

    /// Appends a text in UTF-8 and returns its offset.
    mutating func append(_ text: String) throws(CompileError) -> UInt32 {
        let offset = try start(text.utf8.count, of: UInt8.self)
        bytes.append(contentsOf: text.utf8)
        return offset
    }

    /// Writes the header and the hash of the image, which is taken while the hash and the host's part are zero.
    ///
    /// - Parameter header: Without the host's part but for the offsets of its two tables, which are not hashed.
    /// - Returns: The hash.
    mutating func seal(_ header: bh_image_header) -> [UInt8] {
        var hashed = header
        hashed.clearHash()
        (hashed.device_ports, hashed.devices) = (0, 0)
        write(hashed, at: 0)
        let digest = SHA256.digest(of: bytes)
        write(header, at: 0)
        for (index, byte) in digest.enumerated() { write(byte, at: ImageView.hashOffset + index) }
        return digest
    }

    /// Appends a table of zero bytes and returns its offset.
    mutating func reserve<Element: BitwiseCopyable>(
        _ count: Int, of type: Element.Type
    ) throws(CompileError) -> UInt32 {
        let offset = try start(count, of: type)
        bytes.append(contentsOf: Array(repeating: 0, count: count * MemoryLayout<Element>.stride))
        return offset
    }

    /// Overwrites the bytes at an offset.
    mutating func write<Element: BitwiseCopyable>(_ value: Element, at offset: Int) {
        unsafe withUnsafeBytes(of: value) { source in
            unsafe bytes.replaceSubrange(offset..<offset + source.count, with: source)
        }
    }

    /// Aligns for a table and returns its offset. Throws if the image would become too large.
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
