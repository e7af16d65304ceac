// SPDX-License-Identifier: Apache-2.0

/// An IP version.
public enum AddressFamily: UInt8, Sendable, Hashable, CaseIterable {
    case v4 = 4
    case v6 = 6

    /// The number of bits in an address: 32 or 128.
    public var bits: Int { self == .v4 ? 32 : 128 }
}

/// An IPv4 or IPv6 address as a number in host order.
public struct IPAddress: Sendable, Hashable {
    public let family: AddressFamily
    /// The address's value; at most 32 bits for IPv4.
    public let value: UInt128

    /// `value` must have at most the family's bits.
    public init(family: AddressFamily, value: UInt128) {
        self.family = family
        self.value = value
    }

    public init(v4 value: UInt32) { self.init(family: .v4, value: UInt128(value)) }
    public init(v6 value: UInt128) { self.init(family: .v6, value: value) }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then by value.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.family == right.family ? left.value < right.value : left.family == .v4
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted quad, or the canonical IPv6 form of RFC 5952.
    public var description: String {
        family == .v4 ? IPAddress.printV4(UInt32(truncatingIfNeeded: value)) : IPAddress.printV6(value)
    }

    /// One end of a packet: `192.0.2.1:443`, `[2001:db8::1]:443`; the address alone if there is no port.
    public func written(with port: UInt16?) -> String {
        guard let port else { return "\(self)" }
        return family == .v4 ? "\(self):\(port)" : "[\(self)]:\(port)"
    }

    private static func printV4(_ value: UInt32) -> String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }

    private static func printV6(_ value: UInt128) -> String {
        let words = (0..<8).map { UInt16(truncatingIfNeeded: value >> UInt128(112 - 16 * $0)) }
        if value >> 32 == 0xffff {
            return "::ffff:" + printV4(UInt32(truncatingIfNeeded: value))
        }
        guard let gap = longestZeroRun(words) else { return hex(words[...]) }
        return hex(words[..<gap.lowerBound]) + "::" + hex(words[gap.upperBound...])
    }

    private static func hex(_ words: ArraySlice<UInt16>) -> String {
        words.map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// The first of the longest runs of at least two zero words.
    private static func longestZeroRun(_ words: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < words.count {
            var end = start
            while end < words.count, words[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }
}
