// SPDX-License-Identifier: Apache-2.0
import Network

extension [UInt8] {
    /// Appends a number in network byte order.
    mutating func append<Number: FixedWidthInteger & UnsignedInteger>(big value: Number) {
        for byte in (0..<Number.bitWidth / 8).reversed() {
            append(UInt8(truncatingIfNeeded: value >> Number(8 * byte)))
        }
    }

    /// Overwrites the bytes at `place` with a number in network byte order.
    mutating func put<Number: FixedWidthInteger & UnsignedInteger>(_ value: Number, at place: Int) {
        var bytes: [UInt8] = []
        bytes.append(big: value)
        replaceSubrange(place..<place + bytes.count, with: bytes)
    }
}

extension IPAddress {
    /// The four or sixteen bytes of the address in network byte order.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        if family == .v4 { bytes.append(big: UInt32(truncatingIfNeeded: value)) } else { bytes.append(big: value) }
        return bytes
    }
}

extension IPAddress: ExpressibleByStringLiteral {
    /// An address in a test; it traps if the text does not parse, which is a mistake of the test.
    public init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("not an address: \(text)") }
        self = address
    }
}

extension MACAddress: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        guard let address = MACAddress(text) else { preconditionFailure("not a MAC address: \(text)") }
        self = address
    }
}

/// The Internet checksum of RFC 1071.
func internetChecksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for place in stride(from: 0, to: bytes.count, by: 2) {
        sum += UInt32(bytes[place]) << 8 | (place + 1 < bytes.count ? UInt32(bytes[place + 1]) : 0)
        sum = sum & 0xffff + sum >> 16
    }
    return ~UInt16(sum & 0xffff + sum >> 16)
}

/// The CRC-32C of SCTP's header, in the order on the wire.
func castagnoli(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
    return (~crc).byteSwapped
}
