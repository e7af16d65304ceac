// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// What a condition of nft asks of a packet: one field, or several at once.
enum NftSelector {
    case addresses(WritableKeyPath<Box, AddressSet>, AddressFamily)
    case device(WritableKeyPath<Box, DeviceSet>)
    case protocols
    case ports(WritableKeyPath<Box, NumberSet>, NumberSet)
    case messageType(AddressFamily)
    case messageCode(AddressFamily)
    case family
    /// Whether an end is the host's own.
    case end(isSource: Bool)
    case several([NftSelector])
    // What no box has.
    case states
    case hopLimit(AddressFamily)
    case length(AddressFamily?)
    case codePoint(AddressFamily)
    case sourceMAC
    case destinationMAC
    case flags

    /// nil if it is not known here.
    init?(_ left: JSONValue) {
        guard let (key, body) = left.single else { return nil }
        switch key {
        case "payload":
            guard let selector = NftSelector.payload(body["protocol"]?.string ?? "", body["field"]?.string ?? "") else {
                return nil
            }
            self = selector
        case "meta":
            guard let selector = NftSelector.meta(body["key"]?.string ?? "") else { return nil }
            self = selector
        case "ct":
            guard body["key"]?.string == "state", body["dir"] == nil else { return nil }
            self = .states
        case "fib":
            guard body["result"]?.string == "type", let flags = body["flags"]?.items.compactMap(\.string),
                flags == ["daddr"] || flags == ["saddr"]
            else { return nil }
            self = .end(isSource: flags == ["saddr"])
        case "concat":
            let parts = body.items.map { NftSelector($0) }
            guard parts.allSatisfy({ $0?.hasBoxes == true }) else { return nil }
            self = .several(parts.compactMap(\.self))
        default: return nil
        }
    }

    private static func payload(_ name: String, _ field: String) -> NftSelector? {
        switch (name, field) {
        case ("ip", "saddr"): .addresses(\.source, .v4)
        case ("ip", "daddr"): .addresses(\.destination, .v4)
        case ("ip6", "saddr"): .addresses(\.source, .v6)
        case ("ip6", "daddr"): .addresses(\.destination, .v6)
        case ("ip", "protocol"): .several([.protocols, .addresses(\.source, .v4)])
        case ("tcp", "sport"), ("udp", "sport"), ("sctp", "sport"), ("dccp", "sport"), ("udplite", "sport"),
            ("th", "sport"):
            .ports(\.sourcePorts, protocols(name))
        case ("tcp", "dport"), ("udp", "dport"), ("sctp", "dport"), ("dccp", "dport"), ("udplite", "dport"),
            ("th", "dport"):
            .ports(\.destinationPorts, protocols(name))
        case ("icmp", "type"): .messageType(.v4)
        case ("icmp", "code"): .messageCode(.v4)
        case ("icmpv6", "type"): .messageType(.v6)
        case ("icmpv6", "code"): .messageCode(.v6)
        case ("ip", "ttl"): .hopLimit(.v4)
        case ("ip6", "hoplimit"): .hopLimit(.v6)
        case ("ip", "length"): .length(.v4)
        case ("ip", "dscp"): .codePoint(.v4)
        case ("ip6", "dscp"): .codePoint(.v6)
        case ("ether", "saddr"): .sourceMAC
        case ("ether", "daddr"): .destinationMAC
        case ("tcp", "flags"): .flags
        default: nil
        }
    }

    private static func protocols(_ name: String) -> NumberSet {
        name == "th" ? Box.withPorts : NumberSet(numbers: [UInt16(ProtocolName.number(name) ?? 6)])
    }

    private static func meta(_ key: String) -> NftSelector? {
        switch key {
        case "iifname", "iif": .device(\.arriving)
        case "oifname", "oif": .device(\.leaving)
        case "l4proto": .protocols
        case "nfproto", "protocol": .family
        case "length": .length(nil)
        default: nil
        }
    }

    /// Whether it reads the bytes where ports stand, whatever the protocol is.
    var isLoose: Bool {
        if case .ports(_, let protocols) = self { return protocols == Box.withPorts }
        guard case .several(let parts) = self, parts.contains(where: \.isLoose) else { return false }
        return !parts.contains { part in
            switch part {
            case .protocols: true
            case .several(let inner): inner.contains { if case .protocols = $0 { true } else { false } }
            default: false
            }
        }
    }

    /// Whether boxes say all that it asks.
    var hasBoxes: Bool {
        switch self {
        case .states, .hopLimit, .length, .codePoint, .sourceMAC, .destinationMAC, .flags: false
        default: true
        }
    }

    /// The packets that have such a field at all.
    func within(_ whole: Box) -> [Box] {
        switch self {
        case .addresses(_, let family), .hopLimit(let family), .codePoint(let family), .length(let family?):
            return [whole.intersection(Box(.all(family)))].compactMap(\.self)
        case .ports(_, let protocols):
            var box = whole
            box.protocols = protocols
            return [box]
        case .flags:
            var box = whole
            box.protocols = NumberSet(numbers: [6])
            return [box]
        case .messageType(let family), .messageCode(let family):
            guard var box = whole.intersection(Box(.all(family))) else { return [] }
            box.protocols = family == .v4 ? Box.icmp : Box.icmpV6
            return [box]
        case .several(let parts):
            return parts.reduce([whole]) { boxes, part in boxes.flatMap { part.within($0) } }
        default: return [whole]
        }
    }

    // MARK: Values

    /// The packets whose field has a value; nil if the value is not known here.
    func boxes(_ value: JSONValue, within whole: Box, _ devices: DeviceNames) -> [Box]? {
        if value.string == "*" { return within(whole) }
        if case .several(let parts) = self {
            // Of several fields at once, the last may be there for its family alone.
            let values = value.single.flatMap { $0.key == "concat" ? $0.value.items : nil } ?? [value]
            var result = within(whole)
            for (part, value) in zip(parts, values) {
                guard let boxes = part.boxes(value, within: whole, devices) else { return nil }
                result = result.flatMap { one in boxes.compactMap { one.intersection($0) } }
            }
            return result
        }
        let boxes = within(whole).map { box in fill(value, box, devices) }
        return boxes.contains(nil) ? nil : boxes.compactMap(\.self)
    }

    private func fill(_ value: JSONValue, _ whole: Box, _ devices: DeviceNames) -> Box? {
        var box = whole
        switch self {
        case .addresses(let path, let family):
            guard let set = NftValues.addresses(value, family) else { return nil }
            box[keyPath: path] = box[keyPath: path].common(set)
        case .device(let path):
            guard let name = value.string.map(NftValues.device), DeviceNames.isName(name) else { return nil }
            box[keyPath: path] = devices.devices(name)
        case .protocols:
            guard let numbers = NftValues.numbers(value, most: 255, { ProtocolName.number($0).map(UInt16.init) }) else {
                return nil
            }
            box.protocols = numbers
        case .ports(let path, let protocols):
            let number = UInt8(truncatingIfNeeded: protocols.ranges[0].lowerBound)
            guard
                let numbers = NftValues.numbers(value, most: .max, { PortName.port($0, protocolNumber: number) })
            else { return nil }
            box[keyPath: path] = numbers
        case .messageType(let family):
            guard let types = NftValues.numbers(value, most: 255, { NftValues.messageType($0, family) }) else {
                return nil
            }
            let messages = NumberSet(types.ranges.map { $0.lowerBound << 8...$0.upperBound << 8 | 255 })
            if family == .v4 { box.messages = messages } else { box.messagesV6 = messages }
        case .messageCode(let family):
            guard let codes = NftValues.numbers(value, most: 255, { NftValues.messageCode($0, family) }) else {
                return nil
            }
            let messages = NumberSet(
                (0...255 as ClosedRange<UInt16>).flatMap { type in
                    codes.ranges.map { type << 8 | $0.lowerBound...type << 8 | $0.upperBound }
                })
            if family == .v4 { box.messages = messages } else { box.messagesV6 = messages }
        case .family:
            let family: AddressFamily? =
                switch value.string {
                case "ip", "ipv4": .v4
                case "ip6", "ipv6": .v6
                default: nil
                }
            guard let family else { return nil }
            // Empty where the rule set is the other family's.
            box.source = box.source.common(.all(family))
            box.destination = box.destination.common(.all(family))
        case .end(let isSource):
            guard value.string == "local" else { return nil }
            if isSource { box.sourceEnds = .host } else { box.destinationEnds = .host }
        default: return nil
        }
        return box
    }
}

/// Values of nft's JSON.
enum NftValues {
    /// A device's name as iptables writes it, with `+` for `*`.
    static func device(_ name: String) -> String { name.hasSuffix("*") ? name.dropLast() + "+" : name }

    static func addresses(_ value: JSONValue, _ family: AddressFamily) -> AddressSet? {
        if let text = value.string {
            return IPAddress(text).flatMap { $0.family == family ? AddressSet([Prefix($0)]) : nil }
        }
        guard let (key, body) = value.single else { return nil }
        if key == "prefix", let address = body["addr"]?.string.flatMap({ IPAddress($0) }), address.family == family,
            let length = body["len"]?.int, (0...family.bits).contains(length)
        {
            return AddressSet([Prefix(address, length: length)])
        }
        if key == "range", let ends = body.array, ends.count == 2, let first = ends[0].string,
            let last = ends[1].string,
            let range = try? AddressRange(parsing: "\(first)-\(last)".utf8.span), range.first.family == family
        {
            return AddressSet(range.prefixes)
        }
        return nil
    }

    /// A number, a name or a range; nil for anything else.
    static func numbers(_ value: JSONValue, most: UInt16, _ name: (String) -> UInt16?) -> NumberSet? {
        func number(_ value: JSONValue) -> UInt16? {
            let number = value.word.flatMap { UInt16($0) ?? name($0) }
            return number.flatMap { $0 <= most ? $0 : nil }
        }
        if let (key, body) = value.single {
            guard key == "range", let ends = body.array, ends.count == 2, let low = number(ends[0]),
                let high = number(ends[1]), low <= high
            else { return nil }
            return NumberSet(low...high)
        }
        return number(value).map { NumberSet($0...$0) }
    }

    static func messageType(_ name: String, _ family: AddressFamily) -> UInt16? {
        let own: [String: UInt16] =
            family == .v4
            ? [
                "source-quench": 4, "router-advertisement": 9, "router-solicitation": 10, "timestamp-request": 13,
                "timestamp-reply": 14, "info-request": 15, "info-reply": 16, "address-mask-request": 17,
                "address-mask-reply": 18,
            ]
            : [
                "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
                "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
                "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
                "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
            ]
        return own[name] ?? ICMPMessage.type(name, family).map(UInt16.init)
    }

    static func messageCode(_ name: String, _ family: AddressFamily) -> UInt16? {
        let own: [String: UInt16] =
            family == .v4
            ? [
                "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
                "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
            ]
            : [
                "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5,
                "reject-route": 6,
            ]
        return own[name]
    }
}
