// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// What packets of one family carry, divided into classes that none of the policy's services tells apart. Frames that
/// are not IP are a family of their own, whose classes are EtherTypes.
struct ServiceAxis: Sendable {
    /// A part of a class: packets of one protocol with these ports, or of this type and code.
    struct Piece: Hashable, Sendable {
        /// Of a frame that is not IP: 0.
        var number: UInt8
        /// Destination ports, types and codes as `type << 8 | code`, or EtherTypes.
        var first: ClosedRange<UInt16>
        /// Source ports.
        var second: ClosedRange<UInt16>
    }

    static let any: ClosedRange<UInt16> = 0...UInt16.max

    /// nil: frames that are not IP.
    let family: AddressFamily?
    /// By class without headers: its parts.
    private(set) var pieces: [[Piece]] = []
    /// The headers before L4 that some service names. The classes repeat for each combination of them.
    let headers: [UInt8]
    /// By service list: its classes.
    private var classes: [[Service]?: ClassSet] = [:]

    /// - Parameter lists: The services that must be told apart; nil is any IP packet.
    init(_ family: AddressFamily?, telling lists: [[Service]?]) {
        self.family = family
        let services = Array(Set(lists.compactMap(\.self).flatMap(\.self)))
        let walked = family.map(ServiceAxis.walked) ?? []
        headers = walked.filter { number in services.contains(.protocol(number)) }
        let owned = services.map { service in ServiceAxis.pieces(of: service, family, walked) }
        let protocols = family == nil ? [0] : (0...UInt8.max).filter { !walked.contains($0) }
        var numbers: [Fingerprint: Int] = [:]
        var inside = [[UInt32]](repeating: [], count: services.count)
        for number in protocols {
            let owners = owned.indices.filter { owned[$0].contains { $0.number == number } }
            divide(number, owners, owned, &numbers, &inside)
        }
        for list in Set(lists) { classes[list] = set(of: list, services, inside) }
    }

    /// Headers that are walked are never the last, and so no protocol of a packet.
    private static func walked(_ family: AddressFamily) -> [UInt8] { family == .v4 ? [51] : WalkedHeaders.numbers }

    /// The number of classes without headers.
    private var base: Int { pieces.count }

    var count: Int { base << headers.count }

    /// The classes of one of the lists that were told apart.
    func classes(of list: [Service]?) -> ClassSet { classes[list] ?? .empty }

    // MARK: Dividing

    private static func pieces(of service: Service, _ family: AddressFamily?, _ walked: [UInt8]) -> [Piece] {
        switch (service, family) {
        case (.ethertype(let type), nil):
            return [Piece(number: 0, first: (type ?? 0)...(type ?? 0), second: any)]
        case (_, nil), (.ethertype, _): return []
        case (.ports(let number, let destination, let source), _):
            return destination.flatMap { first in
                source.map { Piece(number: number, first: first, second: $0) }
            }
        case (.icmp(let of, let type, let code), let family?):
            guard of == family else { return [] }
            let types = type.map { $0...$0 } ?? 0...UInt8.max
            return types.map { type in
                let key = UInt16(type) << 8
                return Piece(
                    number: family == .v4 ? 1 : 58, first: key | UInt16(code ?? 0)...key | UInt16(code ?? 255),
                    second: any)
            }
        case (.protocol(let number), _):
            return walked.contains(number) ? [] : [Piece(number: number, first: any, second: any)]
        }
    }

    /// Divides one protocol's packets among the services that name it.
    private mutating func divide(
        _ number: UInt8, _ owners: [Int], _ owned: [[Piece]], _ numbers: inout [Fingerprint: Int],
        _ inside: inout [[UInt32]]
    ) {
        let mine = owners.map { owner in owned[owner].filter { $0.number == number } }
        for first in ServiceAxis.cuts(mine.flatMap { $0.map(\.first) }) {
            let rows = mine.map { $0.filter { $0.first.contains(first.lowerBound) }.map(\.second) }
            let here = rows.indices.filter { !rows[$0].isEmpty }
            for second in ServiceAxis.cuts(here.flatMap { rows[$0] }) {
                let present = here.filter { rows[$0].contains { $0.contains(second.lowerBound) } }.map { owners[$0] }
                var mark = Fingerprint()
                for owner in present { mark.toggle(owner) }
                let known = numbers[mark] ?? base
                if known == base {
                    numbers[mark] = known
                    pieces.append([])
                    for owner in present { inside[owner].append(UInt32(known)) }
                }
                pieces[known].append(Piece(number: number, first: first, second: second))
            }
        }
    }

    /// The line of numbers, cut at both ends of each range.
    private static func cuts(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
        var starts: Set<Int> = [0]
        for range in ranges {
            starts.insert(Int(range.lowerBound))
            starts.insert(Int(range.upperBound) + 1)
        }
        let sorted = starts.filter { $0 <= Int(UInt16.max) }.sorted()
        return sorted.indices.map { index in
            let next = index + 1 < sorted.count ? sorted[index + 1] : Int(UInt16.max) + 1
            return UInt16(sorted[index])...UInt16(next - 1)
        }
    }

    private func set(of list: [Service]?, _ services: [Service], _ inside: [[UInt32]]) -> ClassSet {
        guard let list else { return family == nil ? .empty : ClassSet(below: count) }
        let named = Set(list)
        let plain = ClassSet(services.indices.filter { named.contains(services[$0]) }.flatMap { inside[$0] })
        var sets: [ClassSet] = []
        for combination in 0..<(1 << headers.count) {
            let isNamed = headers.indices.contains {
                combination >> $0 & 1 == 1 && named.contains(.protocol(headers[$0]))
            }
            sets.append((isNamed ? ClassSet(below: base) : plain).moved(by: combination * base))
        }
        return ClassSet(unionOf: sets)
    }

    // MARK: Reading

    /// A class's parts, and the headers before L4 that its packets have, of those that services name.
    func meaning(_ number: UInt32) -> (pieces: [Piece], headers: [UInt8]) {
        let combination = Int(number) / base
        return (pieces[Int(number) % base], headers.indices.filter { combination >> $0 & 1 == 1 }.map { headers[$0] })
    }

    /// The classes whose packets have no such header.
    var withoutHeaders: ClassSet { ClassSet(below: base) }

    /// The class of what a packet carries.
    func classOf(_ content: PacketContent) -> UInt32? {
        let place = pieces.firstIndex { $0.contains { $0.holds(content) } }
        guard let place else { return nil }
        let combination = headers.indices.reduce(0) { content.headers.contains(headers[$1]) ? $0 | 1 << $1 : $0 }
        return UInt32(combination * base + place)
    }
}

/// What one packet carries above IP; of a frame that is not IP, its EtherType.
public struct PacketContent: Hashable, Sendable {
    /// Of a frame that is not IP: 0.
    public var number: UInt8
    /// The destination port, `type << 8 | code`, or the EtherType.
    public var first: UInt16
    /// The source port.
    public var second: UInt16
    /// The walked headers before L4.
    public var headers: Set<UInt8>

    public init(number: UInt8, first: UInt16 = 0, second: UInt16 = 0, headers: Set<UInt8> = []) {
        self.number = number
        self.first = first
        self.second = second
        self.headers = headers
    }
}

extension ServiceAxis.Piece {
    func holds(_ content: PacketContent) -> Bool {
        number == content.number && first.contains(content.first) && second.contains(content.second)
    }
}
