// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// A stream of bytes with a position, from a file or from memory, read through one small buffer.
struct ByteInput: ~Copyable {
    private let file: FileDescriptor?
    private var buffer: [UInt8]
    private var start = 0
    private var end: Int
    private(set) var offset: UInt64 = 0

    /// Takes over an open file.
    init(_ file: FileDescriptor) {
        self.file = file
        buffer = [UInt8](repeating: 0, count: 1 << 16)
        end = 0
    }

    init(bytes: [UInt8]) {
        file = nil
        buffer = bytes
        end = bytes.count
    }

    deinit {
        if let file { try? file.close() }
    }

    /// Whether no byte is left.
    mutating func isAtEnd() throws(CaptureError) -> Bool { try available() == 0 }

    /// The next `count` bytes. Memory grows with what arrives, not with what a length field promises.
    mutating func take(_ count: Int, of what: String) throws(CaptureError) -> [UInt8] {
        let begin = offset
        var taken: [UInt8] = []
        while taken.count < count {
            let ready = min(try available(), count - taken.count)
            if ready == 0 { throw CaptureError(offset: begin, cause: .truncated(what: what)) }
            taken += buffer[start..<start + ready]
            advance(ready)
        }
        return taken
    }

    mutating func skip(_ count: UInt64, of what: String) throws(CaptureError) {
        let begin = offset
        var left = count
        while left > 0 {
            let ready = min(UInt64(try available()), left)
            if ready == 0 { throw CaptureError(offset: begin, cause: .truncated(what: what)) }
            advance(Int(ready))
            left -= ready
        }
    }

    private mutating func advance(_ count: Int) {
        start += count
        offset += UInt64(count)
    }

    private mutating func available() throws(CaptureError) -> Int {
        if start < end { return end - start }
        guard let file else { return 0 }
        let count = try CaptureError.naming("read", at: offset) {
            try unsafe buffer.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
        }
        start = 0
        end = count
        return count
    }
}

/// Reads numbers out of a few bytes in a file's byte order; the caller has checked that they are there.
struct Fields {
    let bytes: [UInt8]
    let isBigEndian: Bool

    func u16(_ at: Int) -> UInt16 {
        let (first, second) = (UInt16(bytes[at]), UInt16(bytes[at + 1]))
        return isBigEndian ? first << 8 | second : second << 8 | first
    }

    func u32(_ at: Int) -> UInt32 {
        let (first, second) = (UInt32(u16(at)), UInt32(u16(at + 2)))
        return isBigEndian ? first << 16 | second : second << 16 | first
    }

    func u64(_ at: Int) -> UInt64 {
        let (first, second) = (UInt64(u32(at)), UInt64(u32(at + 4)))
        return isBigEndian ? first << 32 | second : second << 32 | first
    }
}
