// SPDX-License-Identifier: Apache-2.0

/// Bytes of an image that stay where they are: a copy of their own, or a mapping that someone else keeps.
@safe final class ImageBytes: @unchecked Sendable {
    private let buffer: UnsafeRawBufferPointer
    /// Keeps a mapping alive; nil where the bytes are a copy.
    private let owner: AnyObject?

    init(copying bytes: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
        unsafe copy.copyBytes(from: bytes)
        unsafe buffer = UnsafeRawBufferPointer(copy)
        owner = nil
    }

    init(unsafeMapping buffer: UnsafeRawBufferPointer, owner: AnyObject) {
        unsafe self.buffer = buffer
        self.owner = owner
    }

    deinit {
        if owner == nil { unsafe buffer.deallocate() }
    }

    var count: Int { unsafe buffer.count }

    /// The value at an offset; nil beyond the end.
    func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value? {
        guard offset >= 0, offset <= count - MemoryLayout<Value>.size else { return nil }
        return unsafe buffer.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    /// The bytes of a range, cut to what there is.
    func bytes(_ range: Range<Int>) -> [UInt8] { unsafe Array(buffer[range.clamped(to: 0..<count)]) }

    /// The text from an offset to the next NUL, or to `end`.
    func text(at offset: Int, before end: Int) -> String {
        let range = (offset..<max(offset, end)).clamped(to: 0..<count)
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[range])
        let length = unsafe rest.firstIndex(of: 0) ?? rest.count
        return unsafe String(decoding: UnsafeRawBufferPointer(rebasing: rest[..<length]), as: UTF8.self)
    }
}
