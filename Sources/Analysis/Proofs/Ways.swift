// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// The ways of opening packets through a policy's ports: `out` at the port that the source is bound to and `in` at the
/// one that the destination is bound to. An end that is bound nowhere lies beyond a host port, each of them in turn, or
/// is the host itself.
struct Ways: Sendable {
    struct Hop: Hashable, Sendable {
        var station: Int
        var direction: Direction
    }

    /// Where one end of a packet is, and the hop that it takes there.
    struct Place: Hashable, Sendable {
        /// The addresses that are there.
        var addresses: AddressSet
        /// Whether it is the host itself.
        var isHost: Bool
        /// nil: the packet crosses no port there.
        var hop: Hop?
    }

    let sources: [Place]
    let destinations: [Place]

    /// - Parameters:
    ///   - asksHost: For each end, whether the question or a rule speaks of the host's own addresses.
    init(_ ruleset: Ruleset, _ stations: Stations, asksHost: (source: Bool, destination: Bool)) {
        var bound = AddressSet.empty
        var guests: [(AddressSet, Int)] = []
        var hosts: [Int] = []
        for (number, station) in stations.stations.enumerated() {
            if station.protects[0] == .host {
                hosts.append(number)
                continue
            }
            let prefixes = station.entries[0].flatMap { entry in
                ruleset.entries[entry].addresses + ruleset.entries[entry].sharedAddresses
            }
            if prefixes.isEmpty { continue }
            let addresses = AddressSet(prefixes)
            bound = bound.union(addresses)
            guests.append((addresses, number))
        }
        let elsewhere = AddressSet.all.subtracting(bound)
        func places(_ ofGuest: Direction, _ ofHost: Direction, _ asksHost: Bool) -> [Place] {
            var places = guests.map {
                Place(addresses: $0.0, isHost: false, hop: Hop(station: $0.1, direction: ofGuest))
            }
            places += hosts.map {
                Place(addresses: elsewhere, isHost: false, hop: Hop(station: $0, direction: ofHost))
            }
            if hosts.isEmpty { places.append(Place(addresses: elsewhere, isHost: false, hop: nil)) }
            if asksHost { places.append(Place(addresses: elsewhere, isHost: true, hop: nil)) }
            return places
        }
        sources = places(.out, .in, asksHost.source)
        destinations = places(.in, .out, asksHost.destination)
    }

    /// By station: the tags that its ports admit. No opening packet has others.
    static func admitted(_ ruleset: Ruleset, _ universe: Universe) -> [ClassSet] {
        universe.stations.stations.map { station in
            guard let entry = station.entries[0].first else { return .empty }
            return universe.crossings.admitted(ruleset.entries[entry].vlanAdmission(station.protects[0]))
        }
    }

    /// The sets that a universe must tell apart.
    var sets: [AddressSet] { Array(Set((sources + destinations).map(\.addresses))) }
}
