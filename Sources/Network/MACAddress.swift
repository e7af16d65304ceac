// SPDX-License-Identifier: Apache-2.0

/// A 48-bit Ethernet address.
public struct MACAddress: Sendable, Hashable {
    /// The address as a number; the first byte on the wire is the most significant.
    public let value: UInt64

    /// `value` must have at most 48 bits.
    public init(_ value: UInt64) {
        precondition(value >> 48 == 0, "a MAC address has 48 bits")
        self.value = value
    }

    /// Whether the group bit is set: multicast or broadcast.
    public var isGroup: Bool { value >> 40 & 1 == 1 }

    /// The IPv6 link-local address that a device makes of it: its modified EUI-64 in fe80::/64.
    public var linkLocal: IPAddress {
        let high = value >> 24 ^ 0x02_0000
        return IPAddress(v6: 0xfe80 << 112 | UInt128(high) << 40 | 0xff_fe00_0000 | UInt128(value & 0xff_ffff))
    }

    /// The six bytes in wire order.
    public var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * $0)) } }
}

extension MACAddress: LosslessStringConvertible {
    /// Reads six pairs of hexadecimal digits separated by `:` or by `-`.
    public init?(_ text: String) {
        let separator: Character = text.contains("-") ? "-" : ":"
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.utf8.count == 2, part.allSatisfy(\.isHexDigit), let byte = UInt8(part, radix: 16)
            else { return nil }
            value = value << 8 | UInt64(byte)
        }
        self.init(value)
    }

    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
