// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// One concrete packet of a universe, and where it is judged.
public struct Witness: Sendable, Hashable {
    /// nil: the host itself, by any of its addresses, or a frame that is not IP.
    public var source: IPAddress?
    public var destination: IPAddress?
    public var isFromHost = false
    public var isToHost = false
    public var content: PacketContent
    public var family: AddressFamily?
    /// The outer tag; 0: untagged.
    public var vlan: UInt16
    public var direction: Direction
    /// The port entry, by index in the policy that was asked.
    public var entry: Int
}

extension Universe {
    /// A packet of a region that a person reads easily.
    ///
    /// - Parameters:
    ///   - policy: The policy whose entries the witness names.
    ///   - isCrossing: Whether the second crossing is meant.
    func witness(in box: Box, policy: Int = 0) -> Witness {
        let content = exampleContent(box.service)
        var point = box.first
        point.source = ordinary(box.source)
        point.destination = ordinary(box.destination)
        point = possible(point, in: box)
        let source = example(point.source)?.address
        var destination = example(point.destination)?.address
        if let source, source == destination, isOwn(point.source) != isOwn(point.destination) {
            destination = addresses?.other(plain(point.destination), than: source)
        }
        let place = crossings.meaning(point.crossing)
        return Witness(
            source: source, destination: destination, isFromHost: isOwn(point.source),
            isToHost: isOwn(point.destination), content: content, family: family,
            vlan: crossings.tags.tags[Int(place.tag)].first ?? 0, direction: place.direction,
            entry: stations.stations[place.station].entries[policy].first ?? 0)
    }

    /// The class of a witness's packet where it is judged.
    func point(of witness: Witness) -> Point? {
        guard let service = services.classOf(witness.content), let station = stations.ofEntry[0][witness.entry].first
        else {
            return nil
        }
        return Point(
            source: witness.source.map { classOf($0, isOwn: witness.isFromHost, tells: tellsOwn.source) } ?? 0,
            destination: witness.destination.map {
                classOf($0, isOwn: witness.isToHost, tells: tellsOwn.destination)
            } ?? 0, service: service,
            crossing: crossings.classOf(witness.direction, station, tag: witness.vlan))
    }

    /// A class whose addresses devices have, if there is one among the first.
    private func ordinary(_ set: ClassSet) -> UInt32 {
        for run in set.runs.prefix(8) {
            for number in run.lower...min(run.upper, run.lower + 8) where example(number)?.isOrdinary == true {
                return number
            }
        }
        return set.hull.lower
    }

    /// What a packet of some service classes carries: TCP before all else, and no headers before L4 if that is
    /// possible.
    private func exampleContent(_ set: ClassSet) -> PacketContent {
        let plain = set.intersection(services.withoutHeaders)
        let chosen = plain.isEmpty ? set : plain
        var best: (content: PacketContent, rank: Int)?
        for number in chosen.classes.prefix(64) {
            let (pieces, headers) = services.meaning(number)
            for piece in pieces.prefix(64) {
                let content = PacketContent(
                    number: piece.number, first: Universe.pleasant(piece.first, [443, 80, 8 << 8, 128 << 8]),
                    second: Universe.pleasant(piece.second, [40000]), headers: Set(headers))
                let rank = Universe.rank(content, family)
                if rank < best?.rank ?? .max { best = (content, rank) }
            }
        }
        return best?.content ?? PacketContent(number: 0)
    }

    private static func pleasant(_ range: ClosedRange<UInt16>, _ wanted: [UInt16]) -> UInt16 {
        wanted.first(where: range.contains) ?? (range.lowerBound == 0 && range.count > 1 ? 1 : range.lowerBound)
    }

    /// The easier to read and to send, the lower.
    private static func rank(_ content: PacketContent, _ family: AddressFamily?) -> Int {
        let ofDHCP: Set<UInt16> = [67, 68, 546, 547]
        switch (content.number, family) {
        case (6, _): return 0
        case (17, _): return ofDHCP.contains(content.first) || ofDHCP.contains(content.second) ? 5 : 1
        case (132, _): return 2
        case (1, .v4): return 3
        case (58, .v6): return (130...143).contains(content.first >> 8) ? 6 : 3
        default: return 4
        }
    }
}

extension Witness {
    /// In words. `port` is what the place is called.
    public func example(port: String?) -> PacketExample {
        let hasPorts = [6, 17, 132].contains(content.number) && family != nil
        return PacketExample(
            from: isFromHost ? "host" : source.map(\.description) ?? "any",
            to: isToHost ? "host" : destination.map(\.description) ?? "any", service: content.words(family),
            port: port, direction: port == nil ? nil : direction.rawValue,
            sourcePort: hasPorts && content.second != 40000 ? content.second : nil, vlan: vlan == 0 ? nil : vlan)
    }
}

extension PacketContent {
    /// As the policy language writes it.
    public func words(_ family: AddressFamily?) -> String {
        let service: Service
        switch (number, family) {
        case (_, nil): service = .ethertype(first == 0 ? nil : first)
        case (6, _), (17, _), (132, _):
            service = .ports(protocol: number, destination: [first...first], source: [0...UInt16.max])
        case (1, .v4), (58, .v6):
            service = .icmp(number == 1 ? .v4 : .v6, type: UInt8(first >> 8), code: UInt8(first & 255))
        default: service = .protocol(number)
        }
        let before = headers.sorted().map { " after proto/\($0)" }.joined()
        return service.description + before
    }
}
