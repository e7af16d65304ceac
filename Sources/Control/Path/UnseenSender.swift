// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// Whom a frame is for whose sender is out of sight: a guest or a machine beyond a bridge's member uses routes of its
/// own. What the host has on the same network tells what they may be.
extension PathFinder {
    func bridgedUnseen(_ frame: BridgeFrame) -> [Way] {
        let destination = packet.destination
        let networks = frame.own?.networks(destination.family) ?? []
        guard let own = frame.own, !networks.isEmpty else { return onSegment(frame) }
        if isOwn(destination, own.id.namespace) { return up(frame) }
        guard let there = networks.first(where: { $0.contains(destination) }) else { return routedBy(own, frame) }
        let isFromAnother = networks.contains { network in packet.source.map { network.contains($0) } == true }
        let isFromSame = packet.source.map { there.contains($0) } == true
        // Two networks on one link are routed between.
        if isFromAnother, !isFromSame, forwards(own.id.namespace, own.id.index) { return up(frame) }
        return sentTo(destination, frame)
    }

    /// The destination is on another link: some router leads there, be it this host or the one that it uses itself.
    private func routedBy(_ own: NetworkDevice, _ frame: BridgeFrame) -> [Way] {
        var asked = packet
        asked.source = nil
        let answer = network.route(asked, from: nil, in: own.id.namespace)
        let isForwarding = forwards(own.id.namespace, own.id.index)
        guard case .onward(let hops) = answer, let hop = hops.first, hop.device == own.id.index,
            let gateway = hop.gateway
        else { return isForwarding ? up(frame) : up(assuming(.gateway(nil), frame)) + onSegment(frame) }
        return sentTo(gateway, assuming(.gateway(gateway), frame)) + up(assuming(.gateway(nil), frame))
    }

    private func assuming(_ assumption: Way.Assumption, _ frame: BridgeFrame) -> BridgeFrame {
        var frame = frame
        frame.trail = frame.trail.assuming(assumption)
        return frame
    }

    /// The host has no part in it: the destination is on the link, or a router that leads there.
    private func onSegment(_ frame: BridgeFrame) -> [Way] {
        let destination = packet.destination
        let tag = frame.vlan ?? frame.trail.vlan
        let isThere = frame.others.contains { member in
            bindings.binds(destination, to: member.id) || answers(beyond: member, destination, tag) == .yes
        }
        if isThere { return sentTo(destination, frame) }
        var routers = frame.others.filter { bindings.mayLead(beyond: $0.id) && mayRoute($0) }
        if routers.isEmpty { routers = frame.others.filter(mayRoute) }
        guard !routers.isEmpty else { return frame.trail.stopped(.nobodyAnswers(destination, frame.bridge.id)) }
        return limited(routers) { member in
            var frame = frame
            frame.trail = frame.trail.forReceiver()
            if routers.count > 1 { frame.trail = frame.trail.assuming(.member(destination, member.id)) }
            return out(frame, member)
        }
    }

    /// Whether what lies beyond a member may forward: what can be seen and does not, cannot.
    private func mayRoute(_ member: NetworkDevice) -> Bool {
        guard member.kind == "veth", let peer = member.lower.flatMap({ network.device($0) }) else { return true }
        return peer.master != nil || forwards(peer.id.namespace, peer.id.index)
    }

    private func sentTo(_ address: IPAddress, _ frame: BridgeFrame) -> [Way] {
        var frame = frame
        frame.trail = frame.trail.forNextHop(address)
        return bridgedKnown(frame)
    }
}
