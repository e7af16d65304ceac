// SPDX-License-Identifier: Apache-2.0

/// Addresses of one family from `first` to `last`, both included.
public struct AddressRange: Sendable, Hashable {
    public let first: IPAddress
    public let last: IPAddress

    /// Why a text that has the form of a range is not one.
    public enum ParseError: Error, Sendable, Hashable {
        /// The text does not have the form `ADDRESS-ADDRESS`.
        case notARange
        case twoFamilies
        /// The first address comes after the last; the range that was likely meant.
        case backwards(AddressRange)
    }

    /// Reads `FIRST-LAST`, without spaces.
    public init(parsing text: Span<UInt8>) throws(ParseError) {
        var dash = 0
        while dash < text.count, text[dash] != UInt8(ascii: "-") { dash += 1 }
        guard dash < text.count, let first = AddressText.address(text.extracting(0..<dash)),
            let last = AddressText.address(text.extracting(dash + 1..<text.count))
        else { throw .notARange }
        guard first.family == last.family else { throw .twoFamilies }
        guard first.value <= last.value else { throw .backwards(AddressRange(first: last, last: first)) }
        self.init(first: first, last: last)
    }

    private init(first: IPAddress, last: IPAddress) {
        self.first = first
        self.last = last
    }

    /// The fewest prefixes that cover exactly these addresses, ascending.
    public var prefixes: [Prefix] { AddressSet.prefixes(of: first.value...last.value, first.family) }

    /// Whether a text has the form `ADDRESS-ADDRESS`, in any order and of any families.
    public static func isForm(of text: String) -> Bool {
        do {
            _ = try AddressRange(parsing: text.utf8.span)
            return true
        } catch {
            return error != .notARange
        }
    }
}

extension AddressRange: CustomStringConvertible {
    public var description: String { "\(first)-\(last)" }
}
