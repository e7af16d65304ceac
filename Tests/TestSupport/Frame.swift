// SPDX-License-Identifier: Apache-2.0
import Network

/// An Ethernet frame.
public struct Frame: Sendable, Hashable {
    /// The bytes from the destination address on, without a frame check sequence.
    public var bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// One VLAN tag.
    public struct Tag: Sendable, Hashable {
        public var id: UInt16
        public var priority: UInt8
        /// 0x8100 (802.1Q) or 0x88a8 (802.1ad).
        public var type: UInt16

        public init(_ id: UInt16, priority: UInt8 = 0, type: UInt16 = 0x8100) {
            self.id = id
            self.priority = priority
            self.type = type
        }
    }

    public static let guest: MACAddress = "52:54:00:00:00:01"
    public static let peer: MACAddress = "52:54:00:00:00:02"

    /// A frame with any EtherType; a value below 0x0600 is a length.
    public init(
        from source: MACAddress = guest, to destination: MACAddress = peer, tags: [Tag] = [], type: UInt16,
        payload: [UInt8]
    ) {
        bytes = destination.bytes + source.bytes
        for tag in tags {
            bytes.append(big: tag.type)
            bytes.append(big: UInt16(tag.priority) << 13 | tag.id)
        }
        bytes.append(big: type)
        bytes += payload
    }

    public init(
        _ datagram: Datagram, from source: MACAddress = guest, to destination: MACAddress = peer, tags: [Tag] = []
    ) {
        self.init(from: source, to: destination, tags: tags, type: datagram.etherType, payload: datagram.bytes)
    }

    /// An IEEE 802.2 frame, whose type field is its length.
    public static func llc(
        from source: MACAddress = guest, to destination: MACAddress = "01:80:c2:00:00:00",
        payload: [UInt8] = [0x42, 0x42, 3] + [UInt8](repeating: 0, count: 35)
    ) -> Frame {
        Frame(from: source, to: destination, type: UInt16(payload.count), payload: payload)
    }

    /// An ARP frame, or reverse ARP if `type` is 0x8035. `hardware` and `protocol` are the address lengths that it
    /// states.
    public static func arp(
        from source: MACAddress = guest, tags: [Tag] = [], type: UInt16 = 0x0806, operation: UInt16 = 1,
        sender: IPAddress = "192.0.2.1", target: IPAddress = "192.0.2.2", hardware: UInt8 = 6, protocol: UInt8 = 4
    ) -> Frame {
        var payload: [UInt8] = [0, 1, 8, 0, hardware, `protocol`]
        payload.append(big: operation)
        payload += source.bytes + sender.bytes + [0, 0, 0, 0, 0, 0] + target.bytes
        return Frame(from: source, to: "ff:ff:ff:ff:ff:ff", tags: tags, type: type, payload: payload)
    }

    public func padded(to count: Int, with byte: UInt8 = 0) -> Frame {
        Frame(bytes: bytes + [UInt8](repeating: byte, count: max(count - bytes.count, 0)))
    }

    /// The frame with these tags before those that it has.
    public func tagged(_ tags: [Tag]) -> Frame {
        func mac(_ place: Int) -> MACAddress { MACAddress(bytes[place..<place + 6].reduce(0) { $0 << 8 | UInt64($1) }) }
        return Frame(
            from: mac(6), to: mac(0), tags: tags, type: UInt16(bytes[12]) << 8 | UInt16(bytes[13]),
            payload: Array(bytes.dropFirst(14)))
    }

    public func tagged(_ tags: [UInt16]) -> Frame { tagged(tags.map { Tag($0) }) }

    public func cut(to count: Int) -> Frame { Frame(bytes: Array(bytes.prefix(count))) }

    /// The frame with some bytes replaced.
    public func with(_ place: Int, _ changed: UInt8...) -> Frame { with(place, changed) }

    public func with(_ place: Int, _ changed: [UInt8]) -> Frame {
        var bytes = bytes
        bytes.replaceSubrange(place..<place + changed.count, with: changed)
        return Frame(bytes: bytes)
    }
}

extension Frame: CustomStringConvertible {
    /// Hexadecimal, as `xxd -r -p` takes it.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
