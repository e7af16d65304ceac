// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// Writes Ethernet frames to a pcap file with nanoseconds. Each frame is in the file when ``write(_:)`` returns, so
/// that a reader may follow along and an interrupted command leaves a whole file.
public struct CaptureWriter: ~Copyable {
    private let file: FileDescriptor
    private let closes: Bool
    private var offset: UInt64 = 0

    /// Creates or empties the file at `path`; only its owner may read it, because captures hold what people send each
    /// other.
    public init(path: String, snapLength: UInt32 = 262_144) throws(CaptureError) {
        // Interrupted, it must not wait on for the other end of a pipe.
        let file = try CaptureError.naming(path, at: 0) {
            try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite,
                retryOnInterrupt: false)
        }
        try self.init(file, closes: true, snapLength: snapLength)
    }

    /// Writes to an open file, such as standard output, and leaves it open.
    public init(_ file: FileDescriptor, snapLength: UInt32 = 262_144) throws(CaptureError) {
        try self.init(file, closes: false, snapLength: snapLength)
    }

    private init(_ file: FileDescriptor, closes: Bool, snapLength: UInt32) throws(CaptureError) {
        self.file = file
        self.closes = closes
        var header: [UInt8] = []
        header.append(little: PcapFile.nanoseconds)
        header.append(little: UInt16(2))
        header.append(little: UInt16(4))
        header.append(little: UInt32(0))
        header.append(little: UInt32(0))
        header.append(little: snapLength)
        header.append(little: UInt32(CapturedFrame.ethernet))
        try put(header)
    }

    deinit {
        if closes { try? file.close() }
    }

    /// Appends a frame; one without a time is given the start of 1970.
    public mutating func write(_ frame: CapturedFrame) throws(CaptureError) {
        let time = frame.time ?? 0
        var record: [UInt8] = []
        record.reserveCapacity(16 + frame.bytes.count)
        record.append(little: UInt32(truncatingIfNeeded: time / 1_000_000_000))
        record.append(little: UInt32(time % 1_000_000_000))
        record.append(little: UInt32(clamping: frame.bytes.count))
        record.append(little: UInt32(clamping: frame.originalLength))
        try put(record + frame.bytes)
    }

    private mutating func put(_ bytes: [UInt8]) throws(CaptureError) {
        let file = file
        _ = try CaptureError.naming("write", at: offset) { try file.writeAll(bytes) }
        offset += UInt64(bytes.count)
    }
}

extension [UInt8] {
    fileprivate mutating func append(little value: some FixedWidthInteger) {
        for byte in 0..<value.bitWidth / 8 { append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
}
