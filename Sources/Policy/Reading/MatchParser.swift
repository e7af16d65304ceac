// SPDX-License-Identifier: Apache-2.0
import Network

/// Reads the keys of a rule that ask for a packet's own fields: `match`, `fromMac` and `toMac`.
struct MatchParser {
    static let keys = ["tcpFlags", "hopLimit", "length", "dscp", "pcp", "fragment"]
    private static let longest = 1 << 20

    let problems: Problems

    func parse(_ rule: Fields) -> RuleMatch {
        var match = RuleMatch()
        match.sourceMACs = rule["fromMac"].flatMap(macs)
        match.destinationMACs = rule["toMac"].flatMap(macs)
        guard let node = rule["match"],
            let fields = Fields(node, "\"match\"", keys: MatchParser.keys, problems)
        else { return match }
        if !MatchParser.keys.contains(where: { fields[$0] != nil }) {
            problems.error(node.location, "\"match\" asks for nothing; name a field, such as { hopLimit: 255 }")
        }
        match.tcpFlags = fields["tcpFlags"].flatMap(flags)
        match.hopLimit = fields["hopLimit"].flatMap { range($0, "a hop limit", most: 255) }
            .map { UInt8($0.lowerBound)...UInt8($0.upperBound) }
        match.length = fields["length"].flatMap { range($0, "a length in bytes", most: MatchParser.longest) }
            .map { UInt32($0.lowerBound)...UInt32($0.upperBound) }
        match.dscp = fields["dscp"].flatMap { set($0, codePoint) }
        match.pcp = fields["pcp"].flatMap { set($0) { problems.number($0, "a priority", in: 0...7).map(UInt8.init) } }
        match.fragment = fields["fragment"].flatMap(problems.isTrue)
        return match
    }

    private func macs(_ node: Node) -> [MACAddress]? {
        let macs = node.items.compactMap(mac)
        guard !node.items.isEmpty, node.items.count <= RuleMatch.mostMACs else {
            problems.error(
                node.location,
                "expected from 1 to \(RuleMatch.mostMACs) MAC addresses, found \(node.items.count); write several rules"
            )
            return nil
        }
        return macs.count == node.items.count ? macs : nil
    }

    private func mac(_ node: Node) -> MACAddress? {
        guard let text = problems.text(node, "a MAC address") else { return nil }
        let mac = MACAddress(text)
        if mac == nil { problems.error(node.location, "\"\(text)\" is not a MAC address such as 52:54:00:00:00:01") }
        return mac
    }

    /// `S/SAFR`: of SYN, ACK, FIN and RST, SYN alone.
    private func flags(_ node: Node) -> RuleMatch.TCPFlags? {
        guard let text = problems.text(node, "TCP flags such as S/SAFR") else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let set = bits(parts[0]), let of = bits(parts[1]), of != 0 else {
            problems.error(
                node.location,
                "\"\(text)\" is not SET/OF such as S/SAFR, with the letters F S R P A U E C: of the flags after the "
                    + "slash, those before it are set and the others are not")
            return nil
        }
        guard set & ~of == 0 else {
            problems.error(
                node.location, "\"\(text)\" never matches: the flags before the slash must stand after it too")
            return nil
        }
        return RuleMatch.TCPFlags(set: set, of: of)
    }

    private func bits(_ text: Substring) -> UInt8? {
        var bits: UInt8 = 0
        for letter in text {
            guard let index = RuleMatch.TCPFlags.letters.firstIndex(of: letter) else { return nil }
            bits |= 1 << UInt8(index)
        }
        return bits
    }

    /// `255` or `0-128`.
    private func range(_ node: Node, _ what: String, most: Int) -> ClosedRange<Int>? {
        guard let text = problems.text(node, what) else { return nil }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Problems.decimal($0) }
        guard ends.count <= 2, let first = ends.first, let low = first, let last = ends.last, let high = last,
            low <= high, high <= most
        else {
            problems.error(
                node.location, "\"\(text)\" is not \(what) from 0 to \(most), or a range of them such as 1-64")
            return nil
        }
        return low...high
    }

    private func set(_ node: Node, _ read: (Node) -> UInt8?) -> Set<UInt8>? {
        if node.items.isEmpty {
            problems.error(node.location, "the list is empty, so the rule would never match")
            return nil
        }
        let values = node.items.compactMap(read)
        return values.count == node.items.count ? Set(values) : nil
    }

    private func codePoint(_ node: Node) -> UInt8? {
        guard let text = problems.text(node, "a code point") else { return nil }
        if let number = Problems.decimal(text), number < 64 { return UInt8(number) }
        if let named = CodePoint.named(text) { return named }
        let suggestion = problems.suggestion(for: text, among: CodePoint.names)
        problems.error(
            node.location,
            "\"\(text)\" is not a code point: a number from 0 to 63, or a name such as ef, af21, cs6\(suggestion)")
        return nil
    }
}
