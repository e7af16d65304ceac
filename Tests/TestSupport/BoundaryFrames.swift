// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Draws frames near the boundaries of a policy: addresses just inside and outside its sets, the ends of its port
/// ranges, its types, codes, VLANs and protocols, and frames that are refused or essential under any policy.
public struct BoundaryFrames: Sendable {
    /// A frame, and the port at which it is judged.
    public struct Probe: Sendable {
        public var frame: Frame
        public var entry: Int
        public var protects: Protects
        public var direction: Direction
        /// Whether the port is unknown to an entry with `unknown: drop`.
        public var isUnknownToDrop: Bool
    }

    private let ruleset: Ruleset
    private var v4: [UInt128]
    private var v6: [UInt128]
    private var services: [Service]
    private var random: RandomNumbers

    public init(_ ruleset: Ruleset, seed: UInt64) {
        self.ruleset = ruleset
        random = RandomNumbers(seed: seed)
        let claimed = ruleset.entries.map(\.claimedAddresses) + [AddressSet([Prefix("0.0.0.0"), Prefix("::")])]
        let sets = ruleset.rules.flatMap { $0.ends.flatMap { [$0.from, $0.to] } }.compactMap(\.self) + claimed
        v4 = Array(Set(sets.flatMap { BoundaryFrames.edges($0.v4, last: UInt128(UInt32.max)) })).sorted()
        v6 = Array(Set(sets.flatMap { BoundaryFrames.edges($0.v6, last: .max) })).sorted()
        services = ruleset.rules.flatMap { $0.services ?? [] }
    }

    /// The numbers just inside and just outside each end of each range.
    private static func edges(_ ranges: [ClosedRange<UInt128>], last: UInt128) -> [UInt128] {
        ranges.flatMap { range in
            var edges = [range.lowerBound, range.upperBound]
            if range.lowerBound > 0 { edges.append(range.lowerBound - 1) }
            if range.upperBound < last { edges.append(range.upperBound + 1) }
            return edges
        }
    }

    public mutating func next() -> Probe {
        let entry = random.number(0...ruleset.entries.count - 1)
        return Probe(
            frame: frame(), entry: entry, protects: random.pick([.host, .workload]),
            direction: random.pick([.in, .out]),
            isUnknownToDrop: !ruleset.entries[entry].judgesUnknown && random.once(in: 4))
    }

    private mutating func frame() -> Frame {
        let destination = self.destination()
        let tags = self.tags()
        if random.once(in: 12) { return bare(to: destination, tags: tags) }
        let frame = Frame(packet(), from: mac(), to: destination, tags: tags)
        switch random.number(0...29) {
        case 0: return frame.cut(to: random.number(0...frame.bytes.count))
        case 1: return frame.padded(to: 128)
        case 2: return frame.with(random.number(14...frame.bytes.count - 1), UInt8.random(in: 0...255, using: &random))
        default: return frame
        }
    }

    /// A non-IP frame.
    private mutating func bare(to destination: MACAddress, tags: [Frame.Tag]) -> Frame {
        switch random.number(0...3) {
        case 0, 1: return arp(tags)
        default:
            var type: UInt16 = random.pick([0x05ff, 0x0600, 0x88cc, 0x8847, 0x9100, 0xffff, 46])
            if let service = services.isEmpty ? nil : random.pick(services), case .ethertype(let named) = service {
                type = named ?? type
            }
            return Frame(to: destination, tags: tags, type: type, payload: [UInt8](repeating: 0, count: 46))
        }
    }

    /// ARP that is true, or nearly.
    private mutating func arp(_ tags: [Frame.Tag]) -> Frame {
        let type: UInt16 = random.pick([0x0806, 0x0806, 0x8035])
        let arp = Frame.arp(
            from: mac(), tags: tags, type: type, operation: random.pick([1, 1, 2, 3, 4]), sender: address(.v4),
            target: address(.v4), hardware: random.pick([6, 6, 6, 6, 8, 255]))
        // After the tags, with a sender and a target other than the frame's.
        let body = 14 + 4 * tags.count
        switch random.number(0...3) {
        case 0: return arp.with(body + 8 + 5, mac().bytes[5])
        case 1: return arp.with(body + 18, Frame.guest.bytes)
        case 2: return arp.with(body + random.number(0...7), UInt8.random(in: 0...8, using: &random))
        default: return arp
        }
    }

    /// Neighbour discovery that is true, or nearly.
    private mutating func discovery() -> Segment {
        let type = UInt8(random.number(133...137))
        var body = [UInt8](repeating: 0, count: [133: 4, 134: 12, 137: 36][type] ?? 20)
        if type >= 135 { body.replaceSubrange(4..<20, with: address(.v6).bytes) }
        for _ in 0..<random.pick([0, 1, 1, 1, 2, 3, 31, 32, 33]) {
            let kind: UInt8 = random.pick([1, 2, 14])
            body += random.once(in: 20) ? [kind, random.pick([0, 2, 255])] : [kind, 1]
            body += random.once(in: 3) ? mac().bytes : Frame.guest.bytes
        }
        if random.once(in: 10) { body.removeLast(random.number(0...min(body.count - 4, 20))) }
        return .icmpv6(type, body: body)
    }

    private mutating func mac() -> MACAddress { random.pick(RandomPolicy.macs) }

    private mutating func destination() -> MACAddress {
        guard random.once(in: 15) else { return random.once(in: 4) ? "ff:ff:ff:ff:ff:ff" : mac() }
        return random.pick(["01:80:c2:00:00:00", "01:80:c2:00:00:0f", "01:80:c2:00:00:10", "01:80:c2:00:01:00"])
    }

    private mutating func tags() -> [Frame.Tag] {
        guard random.once(in: 4) else { return [] }
        let count = random.pick([1, 1, 1, 1, 2, 2, 3])
        return (0..<count).map { _ in
            Frame.Tag(
                random.pick([0, 1, 2, 3, 99, 100, 101, 4094, 4095]), priority: random.pick([0, 7]),
                type: random.pick([0x8100, 0x88a8]))
        }
    }

    private mutating func packet() -> Datagram {
        let family = random.pick([AddressFamily.v4, .v6])
        var packet = Datagram(source(family), address(family), segment(family))
        packet.hopLimit = random.pick([0, 1, 2, 64, 254, 255, 255])
        if family == .v6, random.once(in: 8) { packet.segment = discovery() }
        if random.once(in: 12) { packet = essential(family) }
        if random.once(in: 8) { packet.extensions = extensions() }
        if random.once(in: 12) {
            packet.fragment = random.pick([.first, .middle, .last, .init(offset: 0, more: false)])
            if random.once(in: 3) {
                packet.keep = random.number(0...24)
            } else {
                packet.segment.bytes += [UInt8](repeating: 0, count: -packet.segment.bytes.count & 7)
            }
        }
        if random.once(in: 20) { packet.options = options() }
        return packet
    }

    /// An essential packet, or one that differs from it in a single point.
    private mutating func essential(_ family: AddressFamily) -> Datagram {
        let many: [IPAddress] =
            family == .v4
            ? ["255.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.0"]
            : ["ff02::1:2", "ff12::1", "ff05::1", "fe80::1", "fec0::1"]
        let length = random.pick([
            0, 0, 0, 4, 8, 16, 20, 100, 128, 136, 140, 141, 540, 548, 552, 553, 576, 1240, 1400, 1472,
        ])
        var body = [UInt8](repeating: 0, count: length)
        let records = UInt8(random.pick([0, 1, 1, 2, 20, 72, 183]))
        let segment: Segment
        switch (random.number(0...1), family) {
        case (0, .v4):
            if length >= 8 { body[7] = records }
            if length > 0 { body[0] = random.pick([0x11, 0x12, 0x16, 0x17, 0x22, 0x30]) }
            segment = Segment(number: 2, bytes: body)
        case (0, .v6):
            if length >= 4 { body[3] = records }
            segment = .icmpv6(random.pick([130, 131, 132, 143, 143, 133, 134, 135, 136, 137, 151]), body: body)
        case (_, .v4): segment = random.once(in: 2) ? .udp(68, 67, payload: body) : .udp(67, 68, payload: body)
        case (_, .v6): segment = random.once(in: 2) ? .udp(546, 547, payload: body) : .udp(547, 546, payload: body)
        }
        let destination = random.once(in: 4) ? address(family) : random.pick(many)
        return Datagram(source(family), destination, segment) {
            $0.hopLimit = random.pick([1, 1, 2, 64, 255, 255])
            if family == .v4, random.once(in: 2) { $0.options = [0x94, 4, 0, 0] }
        }
    }

    private mutating func extensions() -> [Extension] {
        let all: [Extension] = [
            .hopByHop(), .destination(), .destination(bytes: 64), .routing(), .routing(type: 0),
            .routing(type: 0, segmentsLeft: 1), .authentication(), .authentication(bytes: 12), .fragment(),
        ]
        return (0..<random.pick([1, 1, 1, 2, 2, 3, 8, 9])).map { place in
            place == 0 ? random.pick(all) : random.pick([.destination(), .authentication(), random.pick(all)])
        }
    }

    /// Meaningless options, or a source route among them.
    private mutating func options() -> [UInt8] {
        var bytes = [UInt8](repeating: 1, count: 4 * random.number(1...10))
        guard random.once(in: 2) else { return bytes }
        let place = random.number(0...bytes.count - 1)
        let route: [UInt8] = [
            random.pick([131, 137, 7]), random.pick([0, 2, 3, 7, 11, 40]), random.pick([0, 4, 8, 12]), 192, 0, 2, 1,
        ]
        for (index, byte) in route.enumerated() where place + index < bytes.count { bytes[place + index] = byte }
        return bytes
    }

    private mutating func source(_ family: AddressFamily) -> IPAddress {
        switch random.number(0...11) {
        case 0: family == .v4 ? "0.0.0.0" : "::"
        case 1: family == .v4 ? address(family) : mac().linkLocal
        default: address(family)
        }
    }

    /// An address for one end of a frame.
    public mutating func address() -> IPAddress { address(random.pick(AddressFamily.allCases)) }

    private mutating func address(_ family: AddressFamily) -> IPAddress {
        let edges = family == .v4 ? v4 : v6
        if edges.isEmpty || random.once(in: 10) {
            let high = UInt128(random.next())
            return family == .v4
                ? IPAddress(v4: UInt32(truncatingIfNeeded: high)) : IPAddress(v6: high << 64 | UInt128(random.next()))
        }
        return IPAddress(family: family, value: random.pick(edges))
    }

    private mutating func segment(_ family: AddressFamily) -> Segment {
        if !services.isEmpty, !random.once(in: 3) { return segment(random.pick(services), family) }
        switch random.number(0...8) {
        case 0: return random.pick([.udp(68, 67), .udp(67, 68), .udp(546, 547), .udp(547, 546), .udp(68, 68)])
        case 1: return .icmpv6(random.pick([129, 130, 132, 133, 137, 138, 142, 143, 144]), 0)
        case 8: return discovery()
        case 2: return .icmp(random.pick([0, 3, 8, 11, 13]), random.pick([0, 1]))
        case 3:
            return Segment(number: random.pick([1, 2, 47, 50, 58, 59, 103]), bytes: [UInt8](repeating: 0, count: 24))
        case 4: return .tcp(edge(40000), edge(443), dataOffset: random.pick([4, 5, 6, 15]))
        default: return .tcp(edge(40000), edge(80), flags: flags())
        }
    }

    /// A packet that a service names, or just misses.
    private mutating func segment(_ service: Service, _ family: AddressFamily) -> Segment {
        switch service {
        case .ports(let number, let destination, let source):
            let to = port(destination)
            let from = port(source)
            return switch number {
            case 6: .tcp(from, to, flags: flags())
            case 17: .udp(from, to)
            default: .sctp(from, to)
            }
        case .icmp(let named, let type, let code):
            let type = edge(type ?? UInt8.random(in: 0...255, using: &random))
            let code = edge(code ?? UInt8.random(in: 0...255, using: &random))
            // Sometimes over the wrong family.
            return named == .v4 ? .icmp(type, code) : .icmpv6(type, code)
        case .protocol(let number): return Segment(number: number, bytes: [UInt8](repeating: 0x50, count: 40))
        case .ethertype: return .ping(family)
        }
    }

    /// Most frames open a connection; the others belong to none.
    private mutating func flags() -> UInt8 {
        guard random.once(in: 4) else { return Segment.TCPFlag.syn }
        return random.pick([16, 18, 24, 17, 20, 4, 3, 6, 0, 0xc2])
    }

    private mutating func port(_ ranges: [ClosedRange<UInt16>]) -> UInt16 {
        let range = random.pick(ranges)
        return edge(random.pick([range.lowerBound, range.upperBound]))
    }

    /// The number, or a neighbour of it.
    private mutating func edge<Number: FixedWidthInteger>(_ number: Number) -> Number {
        random.pick([number, number, number &+ 1, number &- 1])
    }
}
