// SPDX-License-Identifier: Apache-2.0

/// Takes the words of a rule's line apart. Between an option and its value stands one space, as pve-firewall has it.
enum ProxmoxLine {
    /// A line without the spaces at its ends, and the comment behind its `#`.
    static func parts(_ line: Substring) -> (text: Substring, comment: String?) {
        guard let mark = line.firstIndex(of: "#") else { return (trimmed(line), nil) }
        let comment = trimmed(line[line.index(after: mark)...])
        return (trimmed(line[..<mark]), comment.isEmpty ? nil : String(comment))
    }

    static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// Reads a rule; nil if the line does not have the form of one.
    static func rule(_ text: Substring, comment: String?, _ origin: Origin) -> ProxmoxRule? {
        var rest = text
        let isEnabled = rest.first != "|"
        if !isEnabled { rest.removeFirst() }
        let type = word(&rest)
        skipSpaces(&rest)
        let action = word(&rest)
        skipSpaces(&rest)
        guard !action.isEmpty, let kind = kind(type.lowercased()) else { return nil }
        var rule = ProxmoxRule(kind: kind, action: String(action), origin: origin)
        rule.isEnabled = isEnabled
        rule.comment = comment
        if kind == .group { rule.action = String(action) } else if !setAction(action, &rule) { return nil }
        while !rest.isEmpty {
            let before = rest
            guard takeOption(&rest, &rule) else {
                rule.unknown = String(before)
                break
            }
        }
        return rule
    }

    private static func kind(_ type: String) -> ProxmoxRule.Kind? {
        switch type {
        case "in": .incoming
        case "out": .outgoing
        case "forward": .forward
        case "group": .group
        default: nil
        }
    }

    /// `ACCEPT`, or `SSH(ACCEPT)`.
    private static func setAction(_ text: Substring, _ rule: inout ProxmoxRule) -> Bool {
        let verdicts: [Substring] = ["ACCEPT", "DROP", "REJECT"]
        if verdicts.contains(text) { return true }
        guard text.last == ")", let open = text.lastIndex(of: "("), open != text.startIndex else { return false }
        let verdict = text[text.index(after: open)...].dropLast()
        guard verdicts.contains(verdict) else { return false }
        rule.macro = String(text[..<open])
        rule.action = String(verdict)
        return true
    }

    private static func word(_ rest: inout Substring) -> Substring {
        let word = rest.prefix { !$0.isWhitespace }
        rest = rest[word.endIndex...]
        return word
    }

    private static func skipSpaces(_ rest: inout Substring) { rest = rest.drop { $0.isWhitespace } }

    /// Takes an option with its value; false if it is not one that is known.
    private static func takeOption(_ rest: inout Substring, _ rule: inout ProxmoxRule) -> Bool {
        let option = word(&rest)
        guard let path = path(option), rule.kind != .group || path == \ProxmoxRule.interface, rest.first == " " else {
            return false
        }
        rest.removeFirst()
        let value = word(&rest)
        skipSpaces(&rest)
        guard !value.isEmpty else { return false }
        rule[keyPath: path] = String(value)
        return true
    }

    private static func path(_ option: Substring) -> WritableKeyPath<ProxmoxRule, String?>? {
        switch option {
        case "-i": \.interface
        case "-p", "-proto", "--proto": \.protocolName
        case "-dport", "--dport": \.destinationPorts
        case "-sport", "--sport": \.sourcePorts
        case "-source", "--source": \.source
        case "-dest", "--dest": \.destination
        case "-log", "--log": \.log
        case "-icmp-type", "--icmp-type": \.messageType
        default: nil
        }
    }
}
