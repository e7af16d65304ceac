// SPDX-License-Identifier: Apache-2.0

/// The block format: sections of blocks, each section with a byte order and interfaces of its own.
struct PcapngFile {
    /// A section header's type, the same in both byte orders.
    static let sectionHeader: UInt32 = 0x0a0d_0d0a

    /// What tells a section's byte order.
    static let byteOrderMark: UInt32 = 0x1a2b_3c4d

    enum BlockType {
        static let interface: UInt32 = 1
        static let obsoletePacket: UInt32 = 2
        static let simplePacket: UInt32 = 3
        static let enhancedPacket: UInt32 = 6
    }

    private struct Interface {
        var linkType: Int
        var snapLength: UInt32
        /// Ticks per second.
        var resolution: UInt128 = 1_000_000
        /// Seconds to add to a stamp.
        var offset: Int64 = 0
    }

    /// A section may describe this many interfaces; more would only eat memory.
    private static let interfaceLimit = 65_536

    private var isBigEndian = false
    private var interfaces: [Interface] = []

    /// Reads the first section header, whose type has been read.
    init(_ input: inout ByteInput) throws(CaptureError) {
        try readSection(&input, begin: 0)
    }

    mutating func next(_ input: inout ByteInput) throws(CaptureError) -> CapturedFrame? {
        while try !input.isAtEnd() {
            let begin = input.offset
            let type = Fields(bytes: try input.take(4, of: "a block's type"), isBigEndian: isBigEndian).u32(0)
            if type == Self.sectionHeader {
                try readSection(&input, begin: begin)
                continue
            }
            let length = Fields(bytes: try input.take(4, of: "a block's length"), isBigEndian: isBigEndian).u32(0)
            var block = try Block(type: type, length: length, begin: begin, isBigEndian: isBigEndian)
            var frame: CapturedFrame?
            switch type {
            case BlockType.interface: try readInterface(&block, &input)
            case BlockType.enhancedPacket: frame = try readPacket(&block, &input, interface: { $0.u32(0) })
            case BlockType.obsoletePacket:
                frame = try readPacket(&block, &input, interface: { UInt32($0.u16(0)) })
            case BlockType.simplePacket: frame = try readSimplePacket(&block, &input)
            default: break
            }
            try block.finish(&input)
            if let frame { return frame }
        }
        return nil
    }

    private mutating func readSection(_ input: inout ByteInput, begin: UInt64) throws(CaptureError) {
        // The length comes before the mark that tells its byte order.
        let bytes = try input.take(8, of: "a section header")
        switch Fields(bytes: bytes, isBigEndian: false).u32(4) {
        case Self.byteOrderMark: isBigEndian = false
        case Self.byteOrderMark.byteSwapped: isBigEndian = true
        default:
            throw CaptureError(
                offset: begin, cause: .badBlock(type: Self.sectionHeader, why: "no byte-order mark"))
        }
        let length = Fields(bytes: bytes, isBigEndian: isBigEndian).u32(0)
        var block = try Block(type: Self.sectionHeader, length: length, begin: begin, isBigEndian: isBigEndian)
        try block.skip(4)
        let version = try block.fields(4, &input)
        guard version.u16(0) == 1 else {
            throw CaptureError(
                offset: begin, cause: .unsupportedVersion(major: version.u16(0), minor: version.u16(2)))
        }
        interfaces = []
        try block.finish(&input)
    }

    private mutating func readInterface(_ block: inout Block, _ input: inout ByteInput) throws(CaptureError) {
        let fields = try block.fields(8, &input)
        var interface = Interface(linkType: Int(fields.u16(0)), snapLength: fields.u32(4))
        while block.left >= 4 {
            let option = try block.fields(4, &input)
            let (code, length) = (option.u16(0), Int(option.u16(2)))
            if code == 0 { break }
            let padded = (length + 3) & ~3
            switch (code, length) {
            case (9, 1): interface.resolution = Self.resolution(try block.fields(padded, &input).bytes[0])
            case (14, 8): interface.offset = Int64(bitPattern: try block.fields(padded, &input).u64(0))
            default: try block.discard(padded, &input)
            }
        }
        guard interfaces.count < Self.interfaceLimit else { throw block.bad("too many interfaces in one section") }
        interfaces.append(interface)
    }

    /// An enhanced packet block, or its obsolete predecessor: they differ in how the interface is named.
    private func readPacket(
        _ block: inout Block, _ input: inout ByteInput, interface number: (Fields) -> UInt32
    ) throws(CaptureError) -> CapturedFrame {
        let fields = try block.fields(20, &input)
        let interface = try interface(number(fields), block)
        let ticks = UInt64(fields.u32(4)) << 32 | UInt64(fields.u32(8))
        return CapturedFrame(
            bytes: try block.frame(fields.u32(12), &input), originalLength: Int(fields.u32(16)),
            linkType: interface.linkType, time: Self.time(ticks, interface))
    }

    private func readSimplePacket(
        _ block: inout Block, _ input: inout ByteInput
    ) throws(CaptureError) -> CapturedFrame {
        let interface = try interface(0, block)
        let original = try block.fields(4, &input).u32(0)
        let kept = interface.snapLength == 0 ? original : min(original, interface.snapLength)
        return CapturedFrame(
            bytes: try block.frame(kept, &input), originalLength: Int(original), linkType: interface.linkType)
    }

    private func interface(_ number: UInt32, _ block: Block) throws(CaptureError) -> Interface {
        guard number < interfaces.count else {
            throw CaptureError(offset: block.begin, cause: .unknownInterface(number))
        }
        return interfaces[Int(number)]
    }

    /// Ticks per second. The value is a negative power of ten, or of two if its highest bit is set. A finer one than
    /// can be counted is taken for the finest.
    private static func resolution(_ value: UInt8) -> UInt128 {
        let exponent = Int(value & 0x7f)
        if value & 0x80 != 0 { return UInt128(1) << UInt128(min(exponent, 64)) }
        return (0..<min(exponent, 19)).reduce(UInt128(1)) { power, _ in power * 10 }
    }

    /// nil if the result does not fit, which happens only in a damaged file.
    private static func time(_ ticks: UInt64, _ interface: Interface) -> UInt64? {
        let nanoseconds = Int128(UInt128(ticks) * 1_000_000_000 / interface.resolution)
        return UInt64(exactly: nanoseconds + Int128(interface.offset) * 1_000_000_000)
    }
}

/// A block while it is read: how many bytes of its body are left.
private struct Block {
    let type: UInt32
    let length: UInt32
    let begin: UInt64
    let isBigEndian: Bool
    private(set) var left: Int

    init(type: UInt32, length: UInt32, begin: UInt64, isBigEndian: Bool) throws(CaptureError) {
        self.type = type
        self.length = length
        self.begin = begin
        self.isBigEndian = isBigEndian
        left = Int(length) - 12
        if left < 0 || length % 4 != 0 { throw bad("a length of \(length)") }
    }

    func bad(_ why: String) -> CaptureError {
        CaptureError(offset: begin, cause: .badBlock(type: type, why: why))
    }

    /// Counts bytes that were read already.
    mutating func skip(_ count: Int) throws(CaptureError) {
        if count > left { throw bad("too short for what it holds") }
        left -= count
    }

    mutating func fields(_ count: Int, _ input: inout ByteInput) throws(CaptureError) -> Fields {
        try skip(count)
        return Fields(bytes: try input.take(count, of: "a block"), isBigEndian: isBigEndian)
    }

    mutating func discard(_ count: Int, _ input: inout ByteInput) throws(CaptureError) {
        try skip(count)
        try input.skip(UInt64(count), of: "a block")
    }

    mutating func frame(_ count: UInt32, _ input: inout ByteInput) throws(CaptureError) -> [UInt8] {
        try skip(Int(count))
        if count > CapturedFrame.largest {
            throw CaptureError(offset: begin, cause: .oversized(bytes: UInt64(count)))
        }
        return try input.take(Int(count), of: "a frame")
    }

    /// Skips what is left of the body and checks the length at the block's end.
    mutating func finish(_ input: inout ByteInput) throws(CaptureError) {
        try input.skip(UInt64(left), of: "a block")
        let trailer = Fields(bytes: try input.take(4, of: "a block"), isBigEndian: isBigEndian).u32(0)
        if trailer != length { throw bad("its two lengths differ: \(length) and \(trailer)") }
    }
}
