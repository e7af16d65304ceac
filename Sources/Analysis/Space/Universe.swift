// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// Which packets there are: those of one family, or frames that are not IP, at the ports of one or two policies. What
/// no rule of theirs tells apart is one point.
struct Universe: Sendable {
    /// nil: frames that are not IP, which have no addresses.
    let family: AddressFamily?
    let addresses: AddressAxis?
    /// Whether an address may be the host's own, where some rule asks for it.
    let tellsOwn: (source: Bool, destination: Bool)
    let services: ServiceAxis
    let crossings: CrossingAxis
    let stations: Stations

    /// What must be told apart besides the policies' own sets.
    struct Extra {
        var sets: [AddressSet] = []
        var services: [[Service]?] = []
        /// Whether the host's own addresses are told apart at both ends, whatever the rules ask.
        var tellsOwn = false
    }

    init(_ family: AddressFamily?, _ rulesets: [Ruleset], _ stations: Stations, _ extra: Extra = Extra()) {
        self.family = family
        self.stations = stations
        let ends = rulesets.lazy.flatMap(\.rules).flatMap(\.ends)
        var sets: Set<AddressSet> = []
        for end in ends {
            if let from = end.from { sets.insert(from) }
            if let to = end.to { sets.insert(to) }
        }
        addresses = family.map { AddressAxis($0, telling: Array(sets) + extra.sets) }
        tellsOwn = (
            extra.tellsOwn || ends.contains { $0.source.isHost != nil },
            extra.tellsOwn || ends.contains { $0.destination.isHost != nil }
        )
        let lists = Set(rulesets.lazy.flatMap(\.rules).map(\.services)).union(extra.services)
        services = ServiceAxis(family, telling: Array(lists))
        let vlans = rulesets.flatMap(\.rules).compactMap(\.vlans)
        let admitted = stations.stations.flatMap { station in
            station.entries.indices.compactMap { policy -> Set<UInt16>? in
                guard let entry = station.entries[policy].first else { return nil }
                let admission = rulesets[policy].entries[entry].vlanAdmission(station.protects[policy])
                if case .list(let tags) = admission { return tags }
                return admission == .none ? [0] : nil
            }
        }
        crossings = CrossingAxis(stations: stations.stations.count, tags: TagAxis(telling: vlans + admitted))
    }

    /// Every packet.
    var all: Box {
        Box(
            source: sources(nil), destination: destinations(nil), service: ClassSet(below: services.count),
            crossing: ClassSet(below: crossings.count))
    }

    // MARK: Addresses

    private var addressCount: Int { addresses?.count ?? 1 }

    /// - Parameter isOwn: Whether the address is one of the host's own; nil: either.
    func sources(_ set: AddressSet?, isOwn: Bool? = nil) -> ClassSet { classes(set, isOwn, tellsOwn.source) }

    func destinations(_ set: AddressSet?, isOwn: Bool? = nil) -> ClassSet { classes(set, isOwn, tellsOwn.destination) }

    private func classes(_ set: AddressSet?, _ isOwn: Bool?, _ tells: Bool) -> ClassSet {
        guard let addresses else { return set == nil ? ClassSet(below: 1) : .empty }
        let plain = addresses.classes(of: set)
        guard tells else { return isOwn == true ? .empty : plain }
        switch isOwn {
        case false?: return plain
        case true?: return plain.moved(by: addressCount)
        case nil: return ClassSet(unionOf: [plain, plain.moved(by: addressCount)])
        }
    }

    /// The addresses of some classes of one side that are the host's own, or that are not.
    func addresses(of set: ClassSet, own: Bool) -> AddressSet {
        guard let addresses else { return .empty }
        let half = ClassSet(0..<addressCount).moved(by: own ? addressCount : 0)
        let found = set.intersection(half).classes.map(plain)
        return addresses.addresses(of: ClassSet(found))
    }

    func isOwn(_ number: UInt32) -> Bool { Int(number) >= addressCount }

    /// The class of the same addresses, whether they are the host's own or not.
    func plain(_ number: UInt32) -> UInt32 { isOwn(number) ? number - UInt32(addressCount) : number }

    /// The class of an address that is the host's own, or not.
    func classOf(_ address: IPAddress, isOwn: Bool = false, tells: Bool) -> UInt32 {
        let number = addresses?.classOf(address.value) ?? 0
        return isOwn && tells ? number + UInt32(addressCount) : number
    }

    /// An address of a class, that of a device if there is one.
    func example(_ number: UInt32) -> (address: IPAddress, isOrdinary: Bool)? {
        addresses?.example(plain(number))
    }
}
