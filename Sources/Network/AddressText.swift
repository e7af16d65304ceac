// SPDX-License-Identifier: Apache-2.0

extension IPAddress: LosslessStringConvertible {
    /// Reads dotted-quad IPv4 (four decimal numbers without leading zeros) or any RFC 4291 form of IPv6.
    public init?(_ text: String) {
        guard let address = AddressText.address(text.utf8.span) else { return nil }
        self = address
    }
}

extension Prefix {
    /// Reads `ADDRESS` or `ADDRESS/LENGTH`; host bits must be zero.
    public init(parsing text: String) throws(ParseError) {
        try self.init(parsing: text.utf8.span)
    }

    /// Reads the same from bytes.
    public init(parsing text: Span<UInt8>) throws(ParseError) { self = try AddressText.prefix(text) }
}

/// Reads addresses and prefixes from bytes of text. It must be fast, because it reads files of a million lines.
enum AddressText {
    /// Dotted-quad IPv4 (four decimal numbers without leading zeros) or any RFC 4291 form of IPv6.
    static func address(_ text: Span<UInt8>) -> IPAddress? {
        if let value = v4(text) { return IPAddress(v4: value) }
        return v6(text).map { IPAddress(v6: $0) }
    }

    /// `ADDRESS` or `ADDRESS/LENGTH`; host bits must be zero.
    static func prefix(_ text: Span<UInt8>) throws(Prefix.ParseError) -> Prefix {
        var slash = 0
        while slash < text.count, text[slash] != UInt8(ascii: "/") { slash += 1 }
        guard let address = address(text.extracting(0..<slash)) else { throw .notAnAddress }
        if slash == text.count { return Prefix(address) }
        guard let length = number(text.extracting(slash + 1..<text.count), digits: 4), length <= address.family.bits
        else { throw .badLength }
        let prefix = Prefix(address, length: length)
        if prefix.address != address { throw .hostBits(prefix) }
        return prefix
    }

    /// A decimal number of at most `digits` digits; nil for anything else.
    private static func number(_ text: Span<UInt8>, digits: Int) -> Int? {
        guard text.count > 0, text.count <= digits else { return nil }
        var value = 0
        for index in text.indices {
            guard let digit = digit(text[index]), digit < 10 else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    /// The value of a hexadecimal digit.
    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func v4(_ text: Span<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        var start = 0
        for part in 0..<4 {
            var end = start
            while end < text.count, text[end] != UInt8(ascii: ".") { end += 1 }
            guard let byte = number(text.extracting(start..<end), digits: 3), byte < 256,
                end - start == 1 || text[start] != UInt8(ascii: "0"), (part == 3) == (end == text.count)
            else { return nil }
            value = value << 8 | UInt32(byte)
            start = end + 1
        }
        return value
    }

    private static func v6(_ text: Span<UInt8>) -> UInt128? {
        /// The sixteen-bit words read so far, and how many of them stand before `::`.
        var value: UInt128 = 0
        var count = 0
        var gap: Int?
        var position = 0
        if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
            gap = 0
            position = 2
        }
        while position < text.count {
            var end = position
            while end < text.count, text[end] != UInt8(ascii: ":") { end += 1 }
            let part = text.extracting(position..<end)
            if end == text.count, let last = v4(part) {
                value = value << 32 | UInt128(last)
                count += 2
                position = end
                break
            }
            guard let word = word(part), count < 8 else { return nil }
            value = value << 16 | UInt128(word)
            count += 1
            position = end + 1
            if end == text.count { break }
            if position < text.count, text[position] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = count
                position += 1
            } else if position == text.count {
                return nil
            }
        }
        guard let gap else { return count == 8 ? value : nil }
        guard count <= 7 else { return nil }
        // The words after the gap go to the end.
        let tail = count - gap
        let low = tail == 0 ? 0 : value & (UInt128.max >> UInt128(128 - 16 * tail))
        let high = gap == 0 ? 0 : (value >> UInt128(16 * tail)) << UInt128(128 - 16 * gap)
        return high | low
    }

    private static func word(_ text: Span<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for index in text.indices {
            guard let digit = digit(text[index]) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}
