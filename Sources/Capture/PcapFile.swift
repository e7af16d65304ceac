// SPDX-License-Identifier: Apache-2.0

/// The classic format: a file header, then a header before each frame.
struct PcapFile {
    static let microseconds: UInt32 = 0xa1b2_c3d4
    static let nanoseconds: UInt32 = 0xa1b2_3c4d

    let isBigEndian: Bool
    /// Nanoseconds in one unit of a record's fraction of a second.
    let unit: UInt64
    let linkType: Int

    /// Reads what follows the magic number; nil if that is not a pcap file's.
    init?(magic: UInt32, _ input: inout ByteInput) throws(CaptureError) {
        switch magic {
        case Self.microseconds: (isBigEndian, unit) = (false, 1000)
        case Self.nanoseconds: (isBigEndian, unit) = (false, 1)
        case Self.microseconds.byteSwapped: (isBigEndian, unit) = (true, 1000)
        case Self.nanoseconds.byteSwapped: (isBigEndian, unit) = (true, 1)
        default: return nil
        }
        let header = Fields(bytes: try input.take(20, of: "the file header"), isBigEndian: isBigEndian)
        guard header.u16(0) == 2 else {
            throw CaptureError(
                offset: 0, cause: .unsupportedVersion(major: header.u16(0), minor: header.u16(2)))
        }
        // The upper half tells of frame check sequences, which are padding to a parser.
        linkType = Int(header.u32(16) & 0xffff)
    }

    func next(_ input: inout ByteInput) throws(CaptureError) -> CapturedFrame? {
        if try input.isAtEnd() { return nil }
        let begin = input.offset
        let record = Fields(bytes: try input.take(16, of: "a record header"), isBigEndian: isBigEndian)
        let captured = record.u32(8)
        if captured > CapturedFrame.largest {
            throw CaptureError(offset: begin, cause: .oversized(bytes: UInt64(captured)))
        }
        // A hostile fraction may exceed a second; 2^32 units of a microsecond still fit.
        let time = UInt64(record.u32(0)) * 1_000_000_000 + UInt64(record.u32(4)) * unit
        let bytes = try input.take(Int(captured), of: "a frame")
        return CapturedFrame(
            bytes: bytes, originalLength: Int(record.u32(12)), linkType: linkType, time: time)
    }
}
