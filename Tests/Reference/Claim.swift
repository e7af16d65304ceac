// SPDX-License-Identifier: Apache-2.0
import Network
import Wire

/// What ARP, or neighbour discovery, says of its sender beside the headers.
public struct Claim: Sendable, Hashable {
    /// Of ARP's sender, or of link-layer options.
    public var mac: MACAddress?
    /// The address that it says is its sender's, or probes for; nil where it says none.
    public var address: IPAddress?

    public init(mac: MACAddress? = nil, address: IPAddress? = nil) {
        self.mac = mac
        self.address = address
    }
}

extension Packet {
    /// Neighbour discovery whatever its hop limit, also where a first fragment begins it.
    var isDiscovery: Bool { family == .v6 && isICMP && (133...137).contains(type) }

    /// Whether it says something of its sender that guards ask about.
    var makesClaim: Bool { isARP || isDiscovery }

    /// Whether the source is 0.0.0.0 or `::`.
    var isUnspecified: Bool { source?.value == 0 }

    /// Reads what ARP or neighbour discovery claims; nil where it cannot be read or contradicts itself.
    ///
    /// - Parameter frame: What ``PacketParser/parse(_:frameLength:metadataVLAN:segments:)`` made the packet of.
    public func claim(in frame: [UInt8]) -> Claim? {
        if isARP { return arpClaim(Bytes(frame, from: l3Offset, to: frame.count)) }
        return fragment == .whole ? discoveryClaim(Bytes(frame, from: l4Offset, to: min(end, frame.count))) : nil
    }

    private func arpClaim(_ body: Bytes) -> Claim? {
        guard body.count >= 28, body.number(0, 6) == 0x0001_0800_0604 else { return nil }
        let operation = body.number(6, 2)
        let mac = MACAddress(UInt64(body.number(8, 6)))
        let sender = body.number(14, 4)
        let target = body.number(24, 4)
        if etherType == 0x8035 {
            // Who asks for its own address, and may know it.
            guard operation == 3, mac.value == UInt64(body.number(18, 6)) else { return nil }
            return Claim(mac: mac, address: sender == 0 ? nil : IPAddress(family: .v4, value: sender))
        }
        if sender == 0, operation != 1 { return nil }
        return Claim(mac: mac, address: IPAddress(family: .v4, value: sender == 0 ? target : sender))
    }

    private func discoveryClaim(_ message: Bytes) -> Claim? {
        var place = [133: 8, 134: 16, 137: 40][type] ?? 24
        guard l4Offset + place <= end, type < 135 || message.count >= 24 else { return nil }
        var claim = Claim()
        let advertises = type == 136 || type == 135 && isUnspecified
        if advertises { claim.address = IPAddress(v6: message.number(8, 16)) }
        var options = 0
        while l4Offset + place != end {
            options += 1
            guard options <= 32, place + 8 <= message.count else { return nil }
            let bytes = Int(message.number(place + 1, 1)) * 8
            guard bytes > 0, l4Offset + place + bytes <= end else { return nil }
            if [1, 2].contains(message.number(place, 1)) {
                let mac = MACAddress(UInt64(message.number(place + 2, 6)))
                guard bytes == 8, claim.mac == nil || claim.mac == mac else { return nil }
                claim.mac = mac
            }
            place += bytes
        }
        return claim
    }
}

/// A part of a frame.
private struct Bytes {
    private let bytes: ArraySlice<UInt8>

    init(_ frame: [UInt8], from start: Int, to end: Int) { bytes = frame[min(start, end)..<end] }

    var count: Int { bytes.count }

    func number(_ place: Int, _ count: Int) -> UInt128 {
        bytes.dropFirst(place).prefix(count).reduce(0) { $0 << 8 | UInt128($1) }
    }
}
