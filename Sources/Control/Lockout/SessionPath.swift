// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Wire

/// The ways that the packets of an open connection of this host take, as the kernel carries them now.
struct SessionPath {
    let path: PathEnds
    let connection: TCPConnection

    /// More ways in one direction than this are not judged.
    private static let limit = 8

    /// Those of the packets that the host receives, and of those that it sends; empty where the kernel does not tell.
    func ways() -> (received: [Way], sent: [Way]) {
        let sent = connection.isLinkLocal ? onLink() : routedAway()
        let received = connection.isLinkLocal ? [] : routedHere(answers: sent)
        // Where nothing tells how they come, they come as they go; on a link they always do.
        let all = (received.isEmpty ? sent.map(\.reversed) : received, sent.isEmpty ? received.map(\.reversed) : sent)
        return (Array(all.0.prefix(Self.limit)), Array(all.1.prefix(Self.limit)))
    }

    private func packet(_ source: TCPConnection.End, _ destination: TCPConnection.End) -> RoutedPacket {
        RoutedPacket(
            source: source.address, destination: destination.address, protocolNumber: 6, sourcePort: source.port,
            destinationPort: destination.port)
    }

    /// The connection is open, so its packets do come to the namespace that it ends in. They come from where its
    /// answers go: a container that has taken the other end's address gets none of them.
    private func routedHere(answers: [Way]) -> [Way] {
        let source = Route.End(address: connection.remote.address)
        let reached = Set(
            answers.compactMap { way -> UInt64? in
                if case .delivered(let namespace) = way.end { namespace } else { nil }
            })
        let origins = path.origins(of: source, to: Route.End(address: connection.local.address)).filter { found in
            guard case .sent(let namespace) = found.origin else { return true }
            return namespace == connection.namespace || reached.contains(namespace)
        }
        let finder = path.finder(for: packet(connection.remote, connection.local))
        return finder.ways(from: origins.map(\.origin)).filter { $0.end == .delivered(connection.namespace) }
    }

    private func routedAway() -> [Way] {
        let finder = path.finder(for: packet(connection.local, connection.remote))
        return finder.sent(by: connection.namespace).filter(\.isOpen)
    }

    /// Link-local addresses say nothing of the link. The neighbour tells it, or else any device may be meant that has
    /// the host's address.
    private func onLink() -> [Way] {
        guard let tables = path.network.tables(connection.namespace) else { return [] }
        let owners = tables.owners(of: connection.local.address)
        let known = owners.filter { tables.neighbours[neighbour($0)] != nil }
        let finder = path.finder(for: packet(connection.local, connection.remote))
        return (known.isEmpty ? owners : known).flatMap { device in
            var trail = Trail()
            trail.nextHop = connection.remote.address
            trail.sourceMAC = device.mac
            trail.destinationMAC = tables.neighbours[neighbour(device)]
            return finder.transmit(device, trail)
        }.filter { !$0.passages.isEmpty }
    }

    private func neighbour(_ device: NetworkDevice) -> NetworkTables.Neighbour {
        .init(device: device.id.index, address: connection.remote.address)
    }
}

extension Way {
    /// Whether nothing that is known stops a packet on it.
    fileprivate var isOpen: Bool {
        switch end {
        case .delivered, .leaves, .unknown: true
        case .stopped, .passesBy: false
        }
    }

    /// The way of the packets in the other direction over the same devices.
    fileprivate var reversed: Way {
        let passages = passages.reversed().map { passage in
            Step.passage(
                Passage(
                    device: passage.device, isEgress: !passage.isEgress, vlan: passage.vlan,
                    sourceMAC: passage.destinationMAC, destinationMAC: passage.sourceMAC))
        }
        return Way(steps: passages, end: end, assumptions: assumptions)
    }
}
