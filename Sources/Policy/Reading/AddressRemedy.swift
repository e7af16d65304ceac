// SPDX-License-Identifier: Apache-2.0
import Network

/// What to write in place of what other firewalls take for addresses.
enum AddressRemedy {
    /// Words that follow a message about `text`; nil where the text tells nothing.
    static func text(_ text: String) -> String? {
        if text.hasPrefix("!"), isAddress(text.dropFirst()) {
            return "; all but that is { except: \(text.dropFirst()) }"
        }
        if let prefix = masked(text) { return "; write \(prefix)" }
        if let prefix = wildcard(text) { return "; write \(prefix)" }
        let squeezed = String(text.filter { $0 != " " })
        if squeezed != text, AddressRange.isForm(of: squeezed) || isAddress(squeezed[...]) {
            return "; write it without spaces: \(squeezed)"
        }
        return isDomainName(text) ? "; names are not looked up: write the addresses" : nil
    }

    private static func isAddress(_ text: Substring) -> Bool {
        (try? Prefix(parsing: String(text))) != nil || AddressRange.isForm(of: String(text))
    }

    /// `10.0.0.0/255.0.0.0`, or the mask turned around, as a prefix.
    private static func masked(_ text: String) -> Prefix? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { IPAddress(String($0)) }
        guard parts.count == 2, let address = parts[0], let mask = parts[1], address.family == .v4,
            mask.family == .v4
        else { return nil }
        let bits = UInt32(truncatingIfNeeded: mask.value)
        for bits in [bits, ~bits] where bits.leadingZeroBitCount == 0 || bits == 0 {
            let length = (~bits).leadingZeroBitCount
            if length == bits.nonzeroBitCount { return Prefix(address, length: length) }
        }
        return nil
    }

    /// `10.1.*.*` or `10.1.*` as a prefix.
    private static func wildcard(_ text: String) -> Prefix? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fixed = parts.prefix { $0 != "*" }
        guard (2...4).contains(parts.count), fixed.count < parts.count, !fixed.isEmpty,
            parts.dropFirst(fixed.count).allSatisfy({ $0 == "*" }),
            let address = IPAddress(
                (fixed.map(String.init) + [String](repeating: "0", count: 4 - fixed.count))
                    .joined(separator: "."))
        else { return nil }
        return Prefix(address, length: 8 * fixed.count)
    }

    /// Labels with dots between them; the last one is not a number.
    private static func isDomainName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count > 1, let last = labels.last, last.contains(where: \.isLetter) else { return false }
        return labels.allSatisfy { label in
            !label.isEmpty
                && label.utf8.allSatisfy { Problems.isNameByte($0) && $0 != UInt8(ascii: "_") && $0 < 128 }
        }
    }
}
