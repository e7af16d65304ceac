// SPDX-License-Identifier: Apache-2.0
import Network

/// The conditions of a rule.
extension SaveRule {
    /// Whether the option was a condition that is known here.
    mutating func takeCondition(_ option: String, isNegated: Bool) throws(ImportError) -> Bool {
        switch option {
        case "-s", "--source", "--src": try addAddresses(option, \.source, isNegated)
        case "-d", "--destination", "--dst": try addAddresses(option, \.destination, isNegated)
        case "--src-range": try addRange(option, \.source, isNegated)
        case "--dst-range": try addRange(option, \.destination, isNegated)
        case "-i", "--in-interface": try addDevice(option, \.arriving, isNegated)
        case "-o", "--out-interface": try addDevice(option, \.leaving, isNegated)
        case "-p", "--protocol", "--proto": try addProtocol(option, isNegated)
        case "--sport", "--source-port", "--sports", "--source-ports":
            try addPorts(option, [\.sourcePorts], isNegated)
        case "--dport", "--destination-port", "--dports", "--destination-ports":
            try addPorts(option, [\.destinationPorts], isNegated)
        case "--port", "--ports": try addPorts(option, [\.sourcePorts, \.destinationPorts], isNegated)
        case "--icmp-type", "--icmpv6-type": try addMessage(option, isNegated)
        case "--syn": flags = TCPFlags.meaning(mask: "SYN,RST,ACK,FIN", set: "SYN", isNegated: isNegated)
        case "--tcp-flags":
            flags = TCPFlags.meaning(mask: try needed(option), set: words.value() ?? "", isNegated: isNegated)
        case "--state", "--ctstate": try addStates(option, isNegated)
        case "--match-set": try addSet(option, isNegated)
        case "--src-type": try addType(option, isSource: true, isNegated)
        case "--dst-type": try addType(option, isSource: false, isNegated)
        default:
            let known = SaveLimit.options.contains(option)
            if known { limit.take(option, try needed(option), isNegated: isNegated) }
            return known
        }
        return true
    }

    // MARK: Addresses

    private mutating func addAddresses(
        _ option: String, _ path: WritableKeyPath<Box, AddressSet>, _ isNegated: Bool
    ) throws(ImportError) {
        let text = try needed(option)
        var sets: [AddressSet] = []
        for part in text.split(separator: ",") {
            guard let set = SaveRule.addresses(part, context.family) else {
                match = match.unsaid("\(option) \(text)")
                return
            }
            sets.append(set)
        }
        var box = whole
        box[keyPath: path] = AddressSet(unionOf: sets)
        add(box, isNegated: isNegated)
    }

    /// `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`; nil for anything else, and for a mask with gaps.
    static func addresses(_ text: Substring, _ family: AddressFamily) -> AddressSet? {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard let first = parts.first, let address = IPAddress(String(first)), address.family == family else {
            return nil
        }
        guard parts.count == 2 else { return AddressSet([Prefix(address)]) }
        if let length = Int(parts[1]), (0...family.bits).contains(length) {
            return AddressSet([Prefix(address, length: length)])
        }
        guard let mask = IPAddress(String(parts[1])), mask.family == family else { return nil }
        let hostBits = mask.value == 0 ? family.bits : min(mask.value.trailingZeroBitCount, family.bits)
        let whole = AddressSet.all(family).ranges(family)[0].upperBound
        guard mask.value == (whole >> UInt128(hostBits)) << UInt128(hostBits) else { return nil }
        return AddressSet([Prefix(address, length: family.bits - hostBits)])
    }

    private mutating func addRange(
        _ option: String, _ path: WritableKeyPath<Box, AddressSet>, _ isNegated: Bool
    ) throws(ImportError) {
        let text = try needed(option)
        let set: AddressSet
        if let address = IPAddress(text) {
            set = AddressSet([Prefix(address)])
        } else if let range = try? AddressRange(parsing: text.utf8.span) {
            set = AddressSet(range.prefixes)
        } else {
            throw fault("\(option) \(text) is not a range of addresses")
        }
        var box = whole
        box[keyPath: path] = set
        add(box, isNegated: isNegated)
    }

    private mutating func addSet(_ option: String, _ isNegated: Bool) throws(ImportError) {
        let name = try needed(option)
        let ends = try needed(option)
        guard let set = context.sets.named(name, context.family) else {
            match = match.unsaid("\(isNegated ? "! " : "")--match-set \(name) \(ends)")
            return
        }
        let isSource = ends.split(separator: ",").first == "src"
        let path = isSource ? \Box.source : \Box.destination
        var (over, under) = (whole, whole)
        over[keyPath: path] = set.possible
        under[keyPath: path] = set.members
        let words = set.unsaid.map { ["--match-set \(name): \($0)"] } ?? []
        add(Match(over: [over], under: [under], unsaid: words), isNegated: isNegated)
    }

    private mutating func addType(_ option: String, isSource: Bool, _ isNegated: Bool) throws(ImportError) {
        let text = try needed(option)
        var box = whole
        switch text {
        case "LOCAL":
            if isSource { box.sourceEnds = .host } else { box.destinationEnds = .host }
        case "MULTICAST":
            let multicast = WellKnown.multicast.common(.all(context.family))
            if isSource { box.source = multicast } else { box.destination = multicast }
        case "BROADCAST" where !isSource:
            // Broadcasts of networks are known to the kernel alone.
            box.destinationEnds = .others
            box.destination = box.destination.subtracting(WellKnown.multicast)
            var sure = box
            sure.destination = WellKnown.broadcast.common(.all(context.family))
            add(Match(over: [box], under: [sure], unsaid: ["\(option) \(text)"]), isNegated: isNegated)
            return
        default:
            match = match.unsaid("\(isNegated ? "! " : "")\(option) \(text)")
            return
        }
        add(box, isNegated: isNegated)
    }

    private mutating func addDevice(
        _ option: String, _ path: WritableKeyPath<Box, DeviceSet>, _ isNegated: Bool
    ) throws(ImportError) {
        var box = whole
        let name = try needed(option)
        guard DeviceNames.isName(name) else { throw fault("\(option) \(name) is not a device that a policy can name") }
        box[keyPath: path] = context.devices.devices(name)
        add(box, isNegated: isNegated)
    }

    // MARK: Protocols

    private mutating func addProtocol(_ option: String, _ isNegated: Bool) throws(ImportError) {
        let text = try needed(option)
        if text == "all" || text == "0" { return }
        guard let number = UInt8(text) ?? ProtocolName.number(text.lowercased()) else {
            match = match.unsaid("\(isNegated ? "! " : "")\(option) \(text)")
            return
        }
        var box = whole
        box.protocols = NumberSet(numbers: [UInt16(number)])
        if !isNegated { protocols = box.protocols }
        add(box, isNegated: isNegated)
    }

    private mutating func addPorts(
        _ option: String, _ paths: [WritableKeyPath<Box, NumberSet>], _ isNegated: Bool
    ) throws(ImportError) {
        let text = try needed(option)
        guard protocols.isSubset(of: Box.withPorts) else { throw fault("\(option) needs -p tcp, udp or the like") }
        var ranges: [ClosedRange<UInt16>] = []
        for part in text.split(separator: ",") {
            guard let range = portRange(part) else {
                match = match.unsaid("\(option) \(text)")
                return
            }
            ranges.append(range)
        }
        let boxes = paths.map { path in
            var box = whole
            box.protocols = protocols
            box[keyPath: path] = NumberSet(ranges)
            return box
        }
        // The opposite is within the protocol: without it there are no ports to ask for.
        var within = whole
        within.protocols = protocols
        match = match.and(isNegated ? Match(boxes).not(within: within) : Match(boxes))
    }

    private func portRange(_ text: Substring) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: ":", omittingEmptySubsequences: false)
        func port(_ text: Substring, orElse left: UInt16) -> UInt16? {
            if text.isEmpty { return left }
            let number = protocols.ranges.first.map { UInt8(truncatingIfNeeded: $0.lowerBound) } ?? 6
            return UInt16(text) ?? PortName.port(String(text), protocolNumber: number)
        }
        guard ends.count <= 2, let first = port(ends[0], orElse: 0),
            let last = ends.count == 1 ? first : port(ends[1], orElse: .max), first <= last
        else { return nil }
        return first...last
    }

    private mutating func addMessage(_ option: String, _ isNegated: Bool) throws(ImportError) {
        let text = try needed(option)
        if text == "any" || text == "255", context.family == .v4 { return }
        guard let messages = SaveRule.messages(text, context.family) else {
            match = match.unsaid("\(isNegated ? "! " : "")\(option) \(text)")
            return
        }
        var (box, within) = (whole, whole)
        within.protocols = context.family == .v4 ? Box.icmp : Box.icmpV6
        box.protocols = within.protocols
        if context.family == .v4 { box.messages = messages } else { box.messagesV6 = messages }
        match = match.and(isNegated ? Match([box]).not(within: within) : Match([box]))
    }

    /// A type such as `8`, `8/0`, `echo-request` or `port-unreachable`.
    static func messages(_ text: String, _ family: AddressFamily) -> NumberSet? {
        let parts = text.split(separator: "/")
        guard let first = parts.first else { return nil }
        let name = alias(String(first))
        if let type = UInt8(first) ?? ICMPMessage.type(name, family) {
            guard parts.count == 2 else { return NumberSet(UInt16(type) << 8...UInt16(type) << 8 | 255) }
            let code = UInt8(parts[1]) ?? ICMPMessage.code(String(parts[1]), type: type, family)
            return code.map { NumberSet(numbers: [UInt16(type) << 8 | UInt16($0)]) }
        }
        return ICMPMessage.message(ofCode: name, family).map {
            NumberSet(numbers: [UInt16($0.type) << 8 | UInt16($0.code)])
        }
    }

    /// Where iptables has a name of its own.
    private static func alias(_ name: String) -> String {
        switch name {
        case "pong": "echo-reply"
        case "ping": "echo-request"
        case "ttl-exceeded": "time-exceeded"
        case "neighbour-advertisement", "neighbor-advertisement": "neighbour-advertisement"
        case "neighbour-solicitation", "neighbor-solicitation": "neighbour-solicitation"
        default: name
        }
    }

    // MARK: Connections

    private mutating func addStates(_ option: String, _ isNegated: Bool) throws(ImportError) {
        let text = try needed(option)
        var asked: States = []
        var translated: [String] = []
        for word in text.split(separator: ",") {
            switch word {
            case "NEW": asked.insert(.new)
            case "ESTABLISHED": asked.insert(.established)
            case "RELATED": asked.insert(.related)
            case "INVALID": asked.insert(.invalid)
            case "UNTRACKED": asked.insert(.untracked)
            case "DNAT", "SNAT": translated.append(String(word))
            default:
                match = match.unsaid("\(isNegated ? "! " : "")\(option) \(text)")
                return
            }
        }
        guard !translated.isEmpty else {
            states.formIntersection(isNegated ? States.all.subtracting(asked) : asked)
            return
        }
        // What NAT has changed is in any state, and cannot be told.
        if isNegated || asked.isEmpty || surely != nil {
            match = match.unsaid("\(isNegated ? "! " : "")\(option) \(text)")
        } else {
            surely = (asked, "\(option) \(translated.joined(separator: ","))")
        }
    }
}
