// SPDX-License-Identifier: Apache-2.0
import Network

/// Readers of scalars, one for each kind of value that a key may ask for. Each reports what it cannot read and returns
/// nil.
extension Problems {
    func text(_ node: Node, _ what: String) -> String? {
        guard case .scalar(let text, _) = node.content, !text.isEmpty else {
            expected(what, at: node)
            return nil
        }
        return text
    }

    /// One of the words of an enumeration.
    func word<Word: RawRepresentable & CaseIterable>(
        _ node: Node, _ type: Word.Type = Word.self
    ) -> Word? where Word.RawValue == String {
        word(node, among: Array(Word.allCases))
    }

    /// One of some words of an enumeration.
    func word<Word: RawRepresentable>(_ node: Node, among all: [Word]) -> Word? where Word.RawValue == String {
        let words = all.map(\.rawValue)
        if case .scalar(let text, _) = node.content, words.contains(text) { return Word(rawValue: text) }
        let expected = words.count == 2 ? words.joined(separator: " or ") : "one of " + words.joined(separator: ", ")
        var suggestion = ""
        if case .scalar(let text, _) = node.content {
            suggestion = Self.synonym(text, among: words) ?? self.suggestion(for: text, among: words)
        }
        error(node.location, "expected \(expected), found \(node.kind)\(suggestion)")
        return nil
    }

    /// Other firewalls' words for actions.
    private static let synonyms = [
        "allow": "accept", "permit": "accept", "pass": "accept", "deny": "drop", "block": "drop", "discard": "drop",
        "return": "pass", "refuse": "reject",
    ]

    private static func synonym(_ text: String, among words: [String]) -> String? {
        guard let word = synonyms[text.lowercased()], words.contains(word) else { return nil }
        return "; write \(word)"
    }

    func isTrue(_ node: Node) -> Bool? {
        word(node, TrueFalse.self).map { $0 == .true }
    }

    func isOn(_ node: Node) -> Bool? {
        word(node, OnOff.self).map { $0 == .on }
    }

    func number(_ node: Node, _ what: String, in range: ClosedRange<Int>) -> Int? {
        guard case .scalar(let text, _) = node.content, let number = Problems.decimal(text), range.contains(number)
        else {
            expected("\(what) from \(range.lowerBound) to \(range.upperBound)", at: node)
            return nil
        }
        return number
    }

    /// VLAN tags and ranges of them, `FIRST-LAST`.
    func tags(_ nodes: [Node]) -> Set<UInt16> {
        nodes.reduce(into: []) { tags, node in
            guard case .scalar(let text, _) = node.content else {
                expected("a VLAN tag or a range of them", at: node)
                return
            }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Problems.decimal($0) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, last <= 4094 else {
                error(node.location, "\"\(text)\" is not a VLAN tag from 0 to 4094, or a range of them such as 100-199")
                return
            }
            guard first <= last else {
                error(node.location, "the range \(text) runs backwards; did you mean \(last)-\(first)?")
                return
            }
            tags.formUnion((first...last).map { UInt16($0) })
        }
    }

    /// A valid name: at most 128 letters, digits, `.`, `_` and `-`.
    func name(_ node: Node, _ what: String) -> String? {
        guard let text = text(node, what) else { return nil }
        return isName(text, at: node.location, what) ? text : nil
    }

    func isName(_ text: String, at location: SourceLocation, _ what: String) -> Bool {
        let isGood = !text.isEmpty && text.utf8.allSatisfy(Problems.isNameByte)
        if !isGood {
            error(location, "\(what) \"\(text)\" may have only letters, digits, \".\", \"_\" and \"-\"")
        } else if text.utf8.count > 128 {
            error(location, "\(what) \"\(text.prefix(32))...\" is longer than 128 bytes")
            return false
        }
        return isGood
    }

    func prefix(_ node: Node) -> Prefix? {
        if let address = node.unquotedAddress {
            error(node.location, "YAML reads \(address) without quotes as a mapping; quote it: \"\(address)\"")
            return nil
        }
        guard let text = text(node, "an address or prefix") else { return nil }
        return prefix(text, at: node.location)
    }

    func prefix(_ text: String, at location: SourceLocation) -> Prefix? {
        do throws(Prefix.ParseError) {
            return try Prefix(parsing: text)
        } catch .hostBits(let meant) {
            let written = "\(meant.address)/\(meant.length)"
            error(location, "\"\(text)\" has bits set beyond its prefix length; did you mean \(written)?")
        } catch .badLength {
            let bits = text.contains(":") ? 128 : 32
            error(
                location,
                "the prefix length of \"\(text)\" must be a number from 0 to \(bits)"
                    + (AddressRemedy.text(text) ?? ""))
        } catch {
            self.error(
                location, "\"\(text)\" is not an IPv4 or IPv6 address or prefix" + (AddressRemedy.text(text) ?? ""))
        }
        return nil
    }

    /// The addresses of `ADDRESS`, `ADDRESS/LENGTH` or `FIRST-LAST`, as prefixes.
    func prefixes(_ node: Node) -> [Prefix]? {
        guard case .scalar(let text, _) = node.content, AddressRange.isForm(of: text) else {
            return prefix(node).map { [$0] }
        }
        return range(text, at: node.location)?.prefixes
    }

    func range(_ text: String, at location: SourceLocation) -> AddressRange? {
        do throws(AddressRange.ParseError) {
            return try AddressRange(parsing: text.utf8.span)
        } catch .backwards(let meant) {
            error(location, "the range \(text) runs backwards; did you mean \(meant)?")
        } catch .twoFamilies {
            error(location, "the range \(text) starts in one IP version and ends in the other")
        } catch {
            self.error(location, "\"\(text)\" is not a range of addresses FIRST-LAST")
        }
        return nil
    }

    func mac(_ node: Node) -> MACAddress? {
        guard let text = text(node, "a MAC address") else { return nil }
        guard let mac = MACAddress(text) else {
            error(node.location, "\"\(text)\" is not a MAC address such as 52:54:00:00:00:01")
            return nil
        }
        guard !mac.isGroup, mac.value != 0 else {
            error(
                node.location, "\(mac) is not one device's address: a port's MAC address must be unicast and not zero")
            return nil
        }
        return mac
    }

    /// A duration in seconds, written as `90s`, `5m`, `2h`, `1d` or `0`.
    func duration(_ node: Node) -> Int? {
        if case .scalar(let text, _) = node.content, let seconds = WrittenDuration.seconds(text) { return seconds }
        expected("a duration such as 120s, 5m, 1h or 1d", at: node)
        return nil
    }

    func expected(_ what: String, at node: Node) {
        error(node.location, "expected \(what), found \(node.kind)")
    }

    /// A number of at most twelve decimal digits, without sign or spaces.
    static func decimal(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 12, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

enum TrueFalse: String, CaseIterable { case `true`, `false` }
enum OnOff: String, CaseIterable { case on, off }
