// SPDX-License-Identifier: Apache-2.0
import Network

/// Names, numbers and addresses as the files of pve-firewall have them.
enum ProxmoxName {
    static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in (97...122).contains(byte) || (48...57).contains(byte) || byte == 45 }
    }

    /// Whether a device can be called so.
    static func isDevice(_ text: String) -> Bool {
        guard (1...15).contains(text.utf8.count), text.utf8.first.map({ $0 != 45 && $0 != 46 }) == true else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
                || "._-".utf8.contains(byte)
        }
    }

    /// Digits and nothing else.
    static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
    }

    /// A letter, and letters, digits, dashes and underscores after it.
    static func isName(_ text: String) -> Bool {
        guard text.utf8.count > 1, let first = text.unicodeScalars.first, isLetter(first) else { return false }
        return text.unicodeScalars.allSatisfy { isLetter($0) || ("0"..."9").contains($0) || $0 == "-" || $0 == "_" }
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
    }

    /// An address or a prefix, whatever bits it has beyond its length.
    static func prefix(_ text: Substring) -> Prefix? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPAddress(String(parts[0])) else { return nil }
        if parts.count == 1 { return Prefix(address) }
        guard parts[1].utf8.count <= 3, let length = number(parts[1]), length <= address.family.bits else { return nil }
        return Prefix(address, length: length)
    }
}
