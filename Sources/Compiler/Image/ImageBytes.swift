// SPDX-License-Identifier: Apache-2.0

/// The bytes of an image at a fixed address: a copy, or a mapping that `owner` keeps.
@safe final class ImageBytes: @unchecked Sendable {
    private let buffer: UnsafeRawBufferPointer
    /// Keeps the mapping alive; nil if the bytes are a copy.
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

    /// The value at an offset, which need not be aligned; nil beyond the end.
    func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value? {
        guard offset >= 0, offset <= count - MemoryLayout<Value>.size else { return nil }
        return unsafe buffer.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    /// The bytes of a range, clamped to the image.
    func bytes(_ range: Range<Int>) -> [UInt8] { unsafe Array(buffer[range.clamped(to: 0..<count)]) }

    /// The UTF-8 text from an offset to the next NUL byte, or to `end`.
    func text(at offset: Int, before end: Int) -> String {
        let range = (offset..<max(offset, end)).clamped(to: 0..<count)
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[range])
        let length = unsafe rest.firstIndex(of: 0) ?? rest.count
        return unsafe String(decoding: UnsafeRawBufferPointer(rebasing: rest[..<length]), as: UTF8.self)
    }
}
