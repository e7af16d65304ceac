// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// A box's protocols, ports and messages, as the service of a rule.
struct ServiceWords {
    /// nil: any IP packet.
    private(set) var value: YAMLValue?
    /// Whether it takes just what the box does. Otherwise it takes less if it is to accept, and more if not.
    private(set) var isExact = true
    /// ICMP messages that the rule takes and should not: a rule before it must take them away.
    private(set) var stray: YAMLValue?
    /// A word for the rule's name.
    private(set) var name: String?

    /// - Parameter accepts: whether the rule accepts, so that it must not take more.
    init(_ box: Box, accepts: Bool, families: Set<AddressFamily>) {
        let count = box.protocols.ranges.reduce(0) { $0 + Int($1.upperBound - $1.lowerBound) + 1 }
        if count > 16 {
            sayMany(box, accepts: accepts, families)
            return
        }
        let numbers = box.protocols.ranges.flatMap { Array($0) }
        if let but = ServiceWords.allBut(box, numbers) {
            value = but
            name = "icmp-unasked"
            return
        }
        say(numbers.flatMap { ServiceWords.words(UInt8($0), box) })
    }

    /// Most protocols, or all.
    private mutating func sayMany(_ box: Box, accepts: Bool, _ families: Set<AddressFamily>) {
        let isNew = box.protocols == Opening.surelyNew
        let isWhole = box.protocols == Box.allProtocols || isNew
        let asksMessages = isNew || !box.messages.isAll || !box.messagesV6.isAll
        if isWhole, asksMessages || !box.sourcePorts.isAll || !box.destinationPorts.isAll {
            // Without the messages that it should not take it is any packet.
            var others = Box(protocols: Box.icmp.union(Box.icmpV6))
            others.messages = box.messages.complement
            others.messagesV6 = box.messagesV6.complement
            let numbers = (families.contains(.v4) ? [1] : []) + (families.contains(.v6) ? [58] : [] as [UInt16])
            isExact = box.sourcePorts.isAll && box.destinationPorts.isAll
            if accepts {
                var parts =
                    ServiceWords.allBut(others, numbers).map { [$0] }
                    ?? numbers.flatMap { ServiceWords.words(UInt8($0), others) }.map(YAMLValue.word)
                if isNew { parts += ["sctp/*", "proto/33"].map(YAMLValue.word) }
                stray = parts.count == 1 ? parts[0] : .list(parts)
            }
            if isExact { return }
        }
        if isWhole, !asksMessages { return }
        isExact = false
        guard accepts else { return }
        let known: [UInt16] = [6, 17, 132, 1, 58, 47, 50]
        say(known.filter { box.protocols.contains($0) }.flatMap { ServiceWords.words(UInt8($0), box) })
    }

    private mutating func say(_ words: [String]) {
        let (value, name) = ServiceWords.named(words)
        self.value = value
        self.name = name
    }

    // MARK: Words

    /// The alternatives of one protocol.
    private static func words(_ number: UInt8, _ box: Box) -> [String] {
        switch number {
        case 6: ports("tcp", box)
        case 17: ports("udp", box)
        case 132: ports("sctp", box)
        case 1: messages("icmp", box.messages, .v4)
        case 58: messages("icmpv6", box.messagesV6, .v6)
        default: ["proto/\(number)"]
        }
    }

    private static func ports(_ name: String, _ box: Box) -> [String] {
        let source = box.sourcePorts.isAll ? "" : "<" + list(box.sourcePorts)
        return ["\(name)/\(box.destinationPorts.isAll ? "*" : list(box.destinationPorts))\(source)"]
    }

    private static func list(_ numbers: NumberSet) -> String {
        numbers.ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    private static func messages(_ name: String, _ messages: NumberSet, _ family: AddressFamily) -> [String] {
        if messages.isAll { return ["\(name)/*"] }
        var words: [String] = []
        for type in 0...255 as ClosedRange<UInt16> {
            let whole = NumberSet(type << 8...type << 8 | 255)
            let codes = messages.intersection(whole)
            if codes.isEmpty { continue }
            if codes == whole {
                words.append("\(name)/\(typeName(UInt8(type), family))")
            } else {
                words += codes.ranges.flatMap { Array($0) }.map { "\(name)/\(type)/\($0 & 255)" }
            }
        }
        return words
    }

    private static func typeName(_ type: UInt8, _ family: AddressFamily) -> String {
        let names = ICMPMessage.names(family).filter { ICMPMessage.type($0, family) == type }
        return names.first ?? "\(type)"
    }

    /// All messages but some, as words; nil if naming those that are meant is shorter.
    private static func allBut(_ box: Box, _ numbers: [UInt16]) -> YAMLValue? {
        guard !numbers.isEmpty, numbers.allSatisfy({ $0 == 1 || $0 == 58 }) else { return nil }
        var others = box
        others.messages = box.messages.complement
        others.messagesV6 = box.messagesV6.complement
        let count = numbers.reduce(0) { $0 + words(UInt8($1), box).count }
        let excepted = numbers.flatMap { words(UInt8($0), others) }
        guard count > 40, excepted.count < count else { return nil }
        return .map([
            "any": .one(of: numbers.map { $0 == 1 ? "icmp" : "icmpv6" }), "except": .one(of: excepted),
        ])
    }

    /// The words as a value, by the name of a common service where they are one.
    static func named(_ words: [String]) -> (value: YAMLValue, name: String) {
        if words == ["icmp/echo-request", "icmpv6/echo-request"] { return (.word("ping"), "ping") }
        if let name = CommonNames.byWords[Set(words)] { return (.word(name), name) }
        let values = words.map { word -> YAMLValue in
            CommonNames.byWords[[word]].map(YAMLValue.word) ?? value(word)
        }
        let name = words.prefix(2).map { word in
            CommonNames.byWords[[word]] ?? word.replacing("/", with: "-").replacing("*", with: "any")
        }.joined(separator: "-")
        return (values.count == 1 ? values[0] : .list(values), name)
    }

    /// A word such as `tcp/80`, or with source ports behind a `<`.
    private static func value(_ word: String) -> YAMLValue {
        guard let cut = word.firstIndex(of: "<"), let slash = word.firstIndex(of: "/") else { return .word(word) }
        func ports(_ text: Substring) -> YAMLValue? {
            text == "*" ? nil : .one(of: text.split(separator: ",").map(String.init))
        }
        return .map([
            "protocol": .word(String(word[..<slash])), "ports": ports(word[word.index(after: slash)..<cut]),
            "sourcePorts": ports(word[word.index(after: cut)...]),
        ])
    }
}

/// The common services by what they are.
enum CommonNames {
    static let byWords: [Set<String>: String] = {
        var names: [Set<String>: String] = [:]
        for name in CommonService.names {
            guard let services = CommonService.services(name) else { continue }
            let words = Set(services.map(word))
            // Of two names for one thing the shorter, which comes first.
            if names[words].map({ $0.utf8.count > name.utf8.count }) ?? true { names[words] = name }
        }
        return names
    }()

    private static func word(_ service: Service) -> String {
        switch service {
        case .ports(let number, let destination, _):
            let name = number == 6 ? "tcp" : number == 17 ? "udp" : "sctp"
            let ports = destination.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            return "\(name)/\(ports.joined(separator: ","))"
        case .protocol(let number): return "proto/\(number)"
        case .icmp, .ethertype: return "-"
        }
    }
}
