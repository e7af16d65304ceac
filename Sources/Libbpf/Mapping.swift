// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// The values of an array map that was made mappable, mapped into memory. The kernel shares this memory in any case, so
/// several threads may read it.
@safe public struct Mapping: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    /// Bytes of the mapping: whole pages.
    public let count: Int
    private let isWritable: Bool

    /// Maps all values of `map`; they follow each other without gaps.
    public init(_ map: Map, writable: Bool) throws(BPFError) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let value = (Int(map.info.valueSize) + 7) / 8 * 8
        let size = (value * Int(map.info.maxEntries) + page - 1) / page * page
        let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
        let memory = unsafe mmap(nil, size, protection, MAP_SHARED, map.descriptor.value, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            throw BPFError("map into memory", map.name, errno: errno)
        }
        unsafe base = memory
        count = size
        isWritable = writable
    }

    deinit { unsafe munmap(base, count) }

    /// The mapped bytes, valid for as long as the mapping lives.
    @unsafe public var buffer: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }

    /// Runs `body` on the mapped bytes, which the kernel may change at the same time.
    public func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(buffer.bytes)
    }

    /// Copies bytes into the mapping, which must be writable and large enough.
    public func write(_ bytes: [UInt8], at offset: Int = 0) {
        precondition(isWritable && offset >= 0 && offset + bytes.count <= count, "write beyond the mapping")
        unsafe bytes.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: source.count).copyMemory(from: source)
        }
    }

    /// Writes one value. The mapping must be writable and large enough.
    public func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
        precondition(
            isWritable && offset >= 0 && offset + MemoryLayout<Value>.size <= count, "write beyond the mapping")
        unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    /// Writes one field of the structure that starts at an offset.
    public func store<Structure, Value: BitwiseCopyable>(
        _ value: Value, in field: KeyPath<Structure, Value>, at offset: Int = 0
    ) {
        if let place = MemoryLayout<Structure>.offset(of: field) { store(value, at: offset + place) }
    }

    /// Changes a word in one step: whatever others do to it meanwhile, nothing is lost. The mapping must be writable.
    public func change(at offset: Int, _ body: (UInt64) -> UInt64) {
        precondition(isWritable && offset >= 0 && offset % 8 == 0 && offset + 8 <= count, "change beyond the mapping")
        let word = unsafe (base + offset).assumingMemoryBound(to: UInt64.self)
        var old: UInt64 = 0
        while unsafe !bulkhead_replace(word, &old, body(old)) {}
    }

    /// One field of the structure that starts at an offset; nil if it does not fit.
    public func load<Structure, Value: BitwiseCopyable>(
        _ field: KeyPath<Structure, Value>, at offset: Int = 0
    ) -> Value? {
        MemoryLayout<Structure>.offset(of: field).flatMap { place in
            withBytes { $0.load(Value.self, at: offset + place) }
        }
    }
}

extension RawSpan {
    /// The value at an offset; nil if it does not fit. Only for C types in which every bit pattern is valid.
    public func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0) -> Value? {
        guard offset >= 0, offset <= byteCount, byteCount - offset >= MemoryLayout<Value>.size else { return nil }
        return unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }

    /// A copy of some bytes; nil if they are not all there.
    public func copy(at offset: Int, count: Int) -> [UInt8]? {
        guard offset >= 0, count >= 0, offset <= byteCount, byteCount - offset >= count else { return nil }
        return unsafe withUnsafeBytes { unsafe Array($0[offset..<offset + count]) }
    }

    /// The text from an offset to the next NUL; nil if there is no NUL, or the text is not UTF-8.
    public func text(at offset: Int) -> String? {
        guard offset >= 0, offset < byteCount else { return nil }
        return unsafe withUnsafeBytes { bytes in
            guard let end = unsafe bytes[offset...].firstIndex(of: 0) else { return nil }
            return unsafe String(validating: bytes[offset..<end], as: UTF8.self)
        }
    }
}
