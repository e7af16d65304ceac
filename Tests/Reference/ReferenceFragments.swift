// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// A model of the table of fragments: datagrams whose first fragment was accepted, and what of them has passed. It has
/// room for everything.
struct ReferenceFragments: Hashable, Sendable {
    /// A datagram at one scope, in one direction.
    struct Key: Hashable, Sendable {
        private var scope: Int
        private var direction: Direction
        private var source: IPAddress?
        private var destination: IPAddress?
        private var identification: UInt32
        private var ipProtocol: UInt8
        private var outerVLAN: UInt16
        private var innerVLAN: UInt16

        init(_ packet: Packet, _ direction: Direction, scope: Int) {
            self.scope = scope
            self.direction = direction
            (source, destination) = (packet.source, packet.destination)
            (identification, ipProtocol) = (packet.identification, packet.fragmentProtocol)
            (outerVLAN, innerVLAN) = (packet.outerVLAN, packet.innerVLAN)
        }
    }

    /// Where a fragment belongs.
    enum Place {
        /// The first of a datagram that is not known.
        case opens
        /// In a datagram whose first was accepted.
        case follows
        case astray
    }

    fileprivate struct Datagram: Hashable {
        var opened: Int
        /// Bytes of the whole, once its last fragment was seen.
        var length: Int?
        /// What has passed; each range touches none of the others.
        var parts: [Range<Int>]
    }

    /// Parts with gaps between them that a datagram may have at a time.
    fileprivate static let partsLimit = 8
    /// Seconds from the first fragment on.
    private static let lifetime = 30

    private var datagrams: [Key: Datagram] = [:]

    /// Finds a fragment's place, and takes it. A datagram that is complete is forgotten.
    mutating func place(_ packet: Packet, of key: Key, now: Int) -> Place {
        guard var datagram = datagrams[key], now - datagram.opened <= Self.lifetime else {
            return packet.fragment == .first ? .opens : .astray
        }
        guard packet.fragment == .later, datagram.add(packet) else { return .astray }
        datagrams[key] = datagram.isComplete ? nil : datagram
        return .follows
    }

    /// Keeps the datagram of a first fragment that was accepted.
    mutating func keep(_ packet: Packet, of key: Key, now: Int) {
        datagrams[key] = Datagram(opened: now, length: nil, parts: [0..<packet.fragmentLength])
    }
}

extension ReferenceFragments.Datagram {
    fileprivate var isComplete: Bool { length != nil && parts.count == 1 }

    /// Adds a later fragment; false where it overlaps, contradicts where the datagram ends, or leaves too many gaps.
    fileprivate mutating func add(_ packet: Packet) -> Bool {
        let new = packet.fragmentOffset..<packet.fragmentOffset + packet.fragmentLength
        if let length, !packet.hasMoreFragments || new.upperBound > length { return false }
        if !packet.hasMoreFragments, parts.contains(where: { $0.upperBound > new.upperBound }) { return false }
        if parts.contains(where: { $0.overlaps(new) }) { return false }
        let touching = parts.filter { $0.upperBound == new.lowerBound || $0.lowerBound == new.upperBound }
        guard !touching.isEmpty || parts.count < ReferenceFragments.partsLimit else { return false }
        parts.removeAll(where: touching.contains)
        let all = touching + [new]
        parts.append((all.map(\.lowerBound).min() ?? 0)..<(all.map(\.upperBound).max() ?? 0))
        if !packet.hasMoreFragments { length = new.upperBound }
        return true
    }
}
