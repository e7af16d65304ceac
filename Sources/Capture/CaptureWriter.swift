// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// What a frame was captured on.
public struct CaptureInterface: Sendable, Hashable {
    /// As the system calls it; empty: not said.
    public var name: String
    public var description: String

    public init(name: String = "", description: String = "") {
        self.name = name
        self.description = description
    }
}

/// Which way a frame went, as its interface sees it.
public enum CaptureDirection: UInt32, Sendable, Hashable {
    case inbound = 1
    case outbound = 2
}

/// Writes Ethernet frames to a pcapng file, each with its interface, direction and a comment. Each frame is in the file
/// when ``write(_:on:direction:comment:)`` returns, so that a reader may follow along and an interrupted command leaves
/// a whole file.
public struct CaptureWriter: ~Copyable {
    private let file: FileDescriptor
    private let closes: Bool
    private let snapLength: UInt32
    private var offset: UInt64 = 0
    /// The numbers of those that the file describes already.
    private var interfaces: [CaptureInterface: UInt32] = [:]

    /// Creates or empties the file at `path`; only its owner may read it, because captures hold what people send each
    /// other.
    ///
    /// - Parameter application: What the file says it was written by.
    public init(path: String, application: String = "", snapLength: UInt32 = 262_144) throws(CaptureError) {
        // If a signal interrupts it, it must not go on waiting for the other end of a pipe.
        let file = try CaptureError.naming(path, at: 0) {
            try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite,
                retryOnInterrupt: false)
        }
        try self.init(file, closes: true, application, snapLength)
    }

    /// Writes to an open file, such as standard output, and leaves it open.
    public init(_ file: FileDescriptor, application: String = "", snapLength: UInt32 = 262_144) throws(CaptureError) {
        try self.init(file, closes: false, application, snapLength)
    }

    private init(
        _ file: FileDescriptor, closes: Bool, _ application: String, _ snapLength: UInt32
    ) throws(CaptureError) {
        self.file = file
        self.closes = closes
        self.snapLength = snapLength
        var section = PcapngBlock(PcapngFile.sectionHeader)
        section.append(PcapngFile.byteOrderMark)
        section.append(UInt16(1))
        section.append(UInt16(0))
        // The section's length is not known.
        section.append(UInt64.max)
        section.option(4, application)
        try put(section.bytes)
    }

    deinit {
        if closes { try? file.close() }
    }

    /// Appends a frame; one without a time is given the start of 1970.
    public mutating func write(
        _ frame: CapturedFrame, on interface: CaptureInterface = CaptureInterface(),
        direction: CaptureDirection? = nil, comment: String = ""
    ) throws(CaptureError) {
        let number = try number(of: interface)
        let time = frame.time ?? 0
        var packet = PcapngBlock(PcapngFile.BlockType.enhancedPacket)
        packet.append(number)
        packet.append(UInt32(truncatingIfNeeded: time >> 32))
        packet.append(UInt32(truncatingIfNeeded: time))
        packet.append(UInt32(clamping: frame.bytes.count))
        packet.append(UInt32(clamping: frame.originalLength))
        packet.append(padded: frame.bytes)
        packet.option(1, comment)
        if let direction { packet.option(2, direction.rawValue) }
        try put(packet.bytes)
    }

    /// The number of an interface, which is described where it is new.
    private mutating func number(of interface: CaptureInterface) throws(CaptureError) -> UInt32 {
        if let known = interfaces[interface] { return known }
        var block = PcapngBlock(PcapngFile.BlockType.interface)
        block.append(UInt16(CapturedFrame.ethernet))
        block.append(UInt16(0))
        block.append(snapLength)
        block.option(2, interface.name)
        block.option(3, interface.description)
        // Its clock counts nanoseconds: units of ten to the power of minus nine.
        block.option(9, [9])
        try put(block.bytes)
        let number = UInt32(interfaces.count)
        interfaces[interface] = number
        return number
    }

    private mutating func put(_ bytes: [UInt8]) throws(CaptureError) {
        let file = file
        _ = try CaptureError.naming("write", at: offset) { try file.writeAll(bytes) }
        offset += UInt64(bytes.count)
    }
}

/// A block while it is written, in little-endian byte order.
private struct PcapngBlock {
    private let type: UInt32
    private var body: [UInt8] = []
    private var hasOptions = false

    init(_ type: UInt32) { self.type = type }

    mutating func append(_ value: some FixedWidthInteger) { body.append(little: value) }

    mutating func append(padded bytes: [UInt8]) {
        body += bytes
        while body.count % 4 != 0 { body.append(0) }
    }

    mutating func option(_ code: UInt16, _ value: [UInt8]) {
        append(code)
        append(UInt16(value.count))
        append(padded: value)
        hasOptions = true
    }

    mutating func option(_ code: UInt16, _ value: UInt32) {
        var bytes: [UInt8] = []
        bytes.append(little: value)
        option(code, bytes)
    }

    /// An empty text is not written; one that is too long is cut.
    mutating func option(_ code: UInt16, _ text: String) {
        guard !text.isEmpty else { return }
        var length = 0
        let cut = text.unicodeScalars.prefix { scalar in
            length += String(scalar).utf8.count
            return length <= Int(UInt16.max)
        }
        option(code, Array(String(String.UnicodeScalarView(cut)).utf8))
    }

    /// All of it, with its length at both ends.
    var bytes: [UInt8] {
        // An option of code and length zero ends the others.
        let whole = hasOptions ? body + [0, 0, 0, 0] : body
        var result: [UInt8] = []
        result.reserveCapacity(whole.count + 12)
        result.append(little: type)
        result.append(little: UInt32(whole.count + 12))
        result += whole
        result.append(little: UInt32(whole.count + 12))
        return result
    }
}

extension [UInt8] {
    fileprivate mutating func append(little value: some FixedWidthInteger) {
        for byte in 0..<value.bitWidth / 8 { append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
}
