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

extension IPAddress: LosslessStringConvertible {
    /// Reads dotted-quad IPv4 (four decimal numbers without leading zeros) or any RFC 4291 form of IPv6.
    public init?(_ text: String) {
        if let value = IPAddress.parseV4(Substring(text)) {
            self.init(v4: value)
        } else if let value = IPAddress.parseV6(text) {
            self.init(v6: value)
        } else {
            return nil
        }
    }

    /// Dotted quad, or the canonical IPv6 form of RFC 5952.
    public var description: String {
        family == .v4 ? IPAddress.printV4(UInt32(truncatingIfNeeded: value)) : IPAddress.printV6(value)
    }

    private static func parseV4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                part.utf8.count == 1 || part.first != "0", let byte = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        return value
    }

    private static func parseV6(_ text: String) -> UInt128? {
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard halves.count <= 2, let head = words(halves[0], last: halves.count == 1) else { return nil }
        if halves.count == 1 {
            return head.count == 8 ? number(head) : nil
        }
        guard let tail = words(halves[1], last: true), head.count + tail.count <= 7 else { return nil }
        return number(head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    /// The sixteen-bit words of one side of `::`; the last may be written as dotted IPv4.
    private static func words(_ text: Substring, last: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var words: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if last, index == parts.count - 1, let v4 = parseV4(part) {
                words += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
            } else if (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit),
                let word = UInt16(part, radix: 16)
            {
                words.append(word)
            } else {
                return nil
            }
        }
        return words
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }

    private static func number(_ words: [UInt16]) -> UInt128 {
        words.reduce(0) { $0 << 16 | UInt128($1) }
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
