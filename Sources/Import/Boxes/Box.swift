// SPDX-License-Identifier: Apache-2.0
import Network

/// Which ends are addresses of the host itself.
struct Ends: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    static let host = Ends(rawValue: 1)
    static let others = Ends(rawValue: 2)
    static let any: Ends = [.host, .others]
}

/// A set of packets: those with a value of each of these sets.
struct Box: Sendable, Hashable {
    var arriving = DeviceSet.all
    var leaving = DeviceSet.all
    var source = AddressSet.all
    var destination = AddressSet.all
    var sourceEnds = Ends.any
    var destinationEnds = Ends.any
    /// From 0 to 255.
    var protocols = Box.allProtocols
    /// Of TCP, UDP and the like; what has no ports is not asked.
    var sourcePorts = NumberSet.all
    var destinationPorts = NumberSet.all
    /// Of ICMP over IPv4: 256 times the type, and the code. What is not ICMP is not asked.
    var messages = NumberSet.all
    /// The same of ICMPv6.
    var messagesV6 = NumberSet.all

    static let allProtocols = NumberSet(0...255)
    static let withPorts = NumberSet(numbers: [6, 17, 33, 132, 136])
    static let icmp = NumberSet(numbers: [1])
    static let icmpV6 = NumberSet(numbers: [58])

    /// Every packet of some families.
    init(_ addresses: AddressSet = .all) {
        source = addresses
        destination = addresses
    }

    /// The packets of a protocol that has ports, or of any other.
    init(protocols: NumberSet) { self.protocols = protocols }

    var isEmpty: Bool {
        source.isEmpty || destination.isEmpty || protocols.isEmpty || arriving.isEmpty || leaving.isEmpty
            || sourceEnds.isEmpty || destinationEnds.isEmpty
            || !AddressFamily.allCases.contains { !source.ranges($0).isEmpty && !destination.ranges($0).isEmpty }
    }

    /// The same packets, with sets that are not asked set to all, so that equal boxes compare equal.
    private var tidy: Box {
        var box = self
        if sourcePorts.isEmpty || destinationPorts.isEmpty { box.protocols = protocols.subtracting(Box.withPorts) }
        if messages.isEmpty { box.protocols = box.protocols.subtracting(Box.icmp) }
        if messagesV6.isEmpty { box.protocols = box.protocols.subtracting(Box.icmpV6) }
        if !box.protocols.intersects(Box.withPorts) {
            box.sourcePorts = .all
            box.destinationPorts = .all
        }
        if !box.protocols.contains(1) { box.messages = .all }
        if !box.protocols.contains(58) { box.messagesV6 = .all }
        return box
    }

    /// nil if they have no packet in common.
    func intersection(_ other: Box) -> Box? {
        if isSurelyApart(from: other) { return nil }
        let protocols = protocols.intersection(other.protocols)
        var box = self
        box.protocols = protocols
        box.arriving = arriving.intersection(other.arriving)
        box.leaving = leaving.intersection(other.leaving)
        box.sourceEnds = sourceEnds.intersection(other.sourceEnds)
        box.destinationEnds = destinationEnds.intersection(other.destinationEnds)
        box.sourcePorts = sourcePorts.intersection(other.sourcePorts)
        box.destinationPorts = destinationPorts.intersection(other.destinationPorts)
        box.messages = messages.intersection(other.messages)
        box.messagesV6 = messagesV6.intersection(other.messagesV6)
        box.source = source.common(other.source)
        box.destination = destination.common(other.destination)
        box = box.tidy
        return box.isEmpty ? nil : box
    }

    /// Whether one set tells at once that no packet is in both. Most pairs of rules are apart, and each is asked for.
    private func isSurelyApart(from other: Box) -> Bool {
        !protocols.intersects(other.protocols) || !source.intersects(other.source)
            || !destination.intersects(other.destination)
    }

    func isSubset(of other: Box) -> Bool {
        protocols.isSubset(of: other.protocols) && arriving.isSubset(of: other.arriving)
            && leaving.isSubset(of: other.leaving) && sourceEnds.isSubset(of: other.sourceEnds)
            && destinationEnds.isSubset(of: other.destinationEnds) && sourcePorts.isSubset(of: other.sourcePorts)
            && destinationPorts.isSubset(of: other.destinationPorts) && messages.isSubset(of: other.messages)
            && messagesV6.isSubset(of: other.messagesV6) && source.isSubset(of: other.source)
            && destination.isSubset(of: other.destination)
    }

    /// What is left without another box, as boxes that have no packet in common.
    func subtracting(_ other: Box) -> [Box] {
        if isSurelyApart(from: other) { return [self] }
        guard intersection(other) != nil else { return [self] }
        var rest = self
        var parts: [Box] = []
        func split(_ part: Box) {
            let part = part.tidy
            if !part.isEmpty { parts.append(part) }
        }
        func cut<Value>(_ path: WritableKeyPath<Box, Value>, _ kept: Value, _ gone: Value, of protocols: NumberSet?) {
            var part = rest
            part[keyPath: path] = gone
            if let protocols { part.protocols = part.protocols.intersection(protocols) }
            split(part)
            rest[keyPath: path] = kept
        }
        func numbers(_ path: WritableKeyPath<Box, NumberSet>, of protocols: NumberSet? = nil) {
            let (left, right) = (rest[keyPath: path], other[keyPath: path])
            cut(path, left.intersection(right), left.subtracting(right), of: protocols)
        }
        cut(\.source, source.common(other.source), source.subtracting(other.source), of: nil)
        cut(\.destination, destination.common(other.destination), destination.subtracting(other.destination), of: nil)
        cut(\.arriving, arriving.intersection(other.arriving), arriving.subtracting(other.arriving), of: nil)
        cut(\.leaving, leaving.intersection(other.leaving), leaving.subtracting(other.leaving), of: nil)
        cut(\.sourceEnds, sourceEnds.intersection(other.sourceEnds), sourceEnds.subtracting(other.sourceEnds), of: nil)
        cut(
            \.destinationEnds, destinationEnds.intersection(other.destinationEnds),
            destinationEnds.subtracting(other.destinationEnds), of: nil)
        numbers(\.protocols)
        numbers(\.sourcePorts, of: Box.withPorts)
        numbers(\.destinationPorts, of: Box.withPorts)
        numbers(\.messages, of: Box.icmp)
        numbers(\.messagesV6, of: Box.icmpV6)
        return parts
    }

    /// What answers these packets: both ends changed.
    var reversed: Box {
        var box = self
        swap(&box.arriving, &box.leaving)
        swap(&box.source, &box.destination)
        swap(&box.sourceEnds, &box.destinationEnds)
        swap(&box.sourcePorts, &box.destinationPorts)
        // A reply is of another type than its request.
        box.messages = .all
        box.messagesV6 = .all
        return box
    }
}
