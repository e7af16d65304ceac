// SPDX-License-Identifier: Apache-2.0

/// Capture files made in memory, field by field, in either byte order.
struct FileBuilder {
    var bytes: [UInt8] = []
    var isBigEndian = false

    init(isBigEndian: Bool = false) { self.isBigEndian = isBigEndian }

    mutating func put<Number: FixedWidthInteger>(_ value: Number) {
        let ordered = isBigEndian ? value.bigEndian : value.littleEndian
        for byte in 0..<Number.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: ordered >> Number(8 * byte))) }
    }

    mutating func putPadded(_ data: [UInt8]) {
        bytes += data + Array(repeating: 0, count: (4 - data.count % 4) % 4)
    }

    // pcap

    mutating func pcapHeader(magic: UInt32 = 0xa1b2_c3d4, major: UInt16 = 2, linkType: UInt32 = 1) {
        put(magic)
        put(major)
        put(UInt16(4))
        put(UInt64(0))
        put(UInt32(65535))
        put(linkType)
    }

    mutating func pcapRecord(
        _ data: [UInt8], seconds: UInt32 = 0, fraction: UInt32 = 0, captured: UInt32? = nil, original: UInt32? = nil
    ) {
        put(seconds)
        put(fraction)
        put(captured ?? UInt32(data.count))
        put(original ?? UInt32(data.count))
        bytes += data
    }

    // pcapng

    /// A block with its two lengths; `length` and `trailer` override them.
    mutating func block(
        _ type: UInt32, length: UInt32? = nil, trailer: UInt32? = nil, _ body: (inout FileBuilder) -> Void
    ) {
        var inner = FileBuilder(isBigEndian: isBigEndian)
        body(&inner)
        let total = UInt32(inner.bytes.count + 12)
        put(type)
        put(length ?? total)
        bytes += inner.bytes
        put(trailer ?? length ?? total)
    }

    mutating func section(mark: UInt32 = 0x1a2b_3c4d, major: UInt16 = 1) {
        block(0x0a0d_0d0a) {
            $0.put(mark)
            $0.put(major)
            $0.put(UInt16(0))
            $0.put(UInt64.max)
        }
    }

    mutating func interface(
        linkType: UInt16 = 1, snapLength: UInt32 = 0, options: [(code: UInt16, value: [UInt8])] = []
    ) {
        block(1) {
            $0.put(linkType)
            $0.put(UInt16(0))
            $0.put(snapLength)
            for option in options {
                $0.put(option.code)
                $0.put(UInt16(option.value.count))
                $0.putPadded(option.value)
            }
            if !options.isEmpty { $0.put(UInt32(0)) }
        }
    }

    mutating func packet(
        _ data: [UInt8], interface: UInt32 = 0, ticks: UInt64 = 0, captured: UInt32? = nil, original: UInt32? = nil
    ) {
        block(6) {
            $0.put(interface)
            $0.put(UInt32(truncatingIfNeeded: ticks >> 32))
            $0.put(UInt32(truncatingIfNeeded: ticks))
            $0.put(captured ?? UInt32(data.count))
            $0.put(original ?? UInt32(data.count))
            $0.putPadded(data)
            // A comment, to be skipped.
            $0.put(UInt16(1))
            $0.put(UInt16(3))
            $0.putPadded([104, 105, 33])
            $0.put(UInt32(0))
        }
    }

    static func make(isBigEndian: Bool = false, _ build: (inout FileBuilder) -> Void) -> [UInt8] {
        var builder = FileBuilder(isBigEndian: isBigEndian)
        build(&builder)
        return builder.bytes
    }
}
