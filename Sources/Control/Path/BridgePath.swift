// SPDX-License-Identifier: Apache-2.0
import Host
import Network

/// A frame within a bridge.
struct BridgeFrame {
    var bridge: NetworkDevice
    /// The member that it came by; nil: the bridge's own device sends it.
    var from: NetworkDevice?
    /// Of a bridge that filters VLANs.
    var vlan: UInt16?
    var tables: NetworkTables
    var trail: Trail

    /// The members that it may be meant for, also if the bridge would not let it pass.
    var others: [NetworkDevice] {
        tables.members(of: bridge.id.index).filter { $0.id != from?.id || $0.membership.isHairpin }
    }

    func entry(_ device: NetworkDevice) -> NetworkTables.BridgeVLAN? {
        (tables.bridgeVLANs[device.id.index] ?? []).first { $0.tag == vlan }
    }

    /// The device that the host has on the frame's network.
    var own: NetworkDevice? {
        guard let tag = vlan ?? trail.vlan, tag != 0, vlan == nil || entry(bridge)?.isUntagged != true else {
            return bridge
        }
        return tables.devices.values.first { $0.vlan == tag && $0.lower == bridge.id }
    }
}

extension PathFinder {
    /// A bridge has a frame, from a member or from its own device.
    func bridged(by bridge: NetworkDevice, from member: NetworkDevice?, _ trail: Trail) -> [Way] {
        guard let tables = network.tables(bridge.id.namespace) else { return trail.ended(.leaves(bridge.id)) }
        if let member, !member.membership.isForwarding { return trail.stopped(.memberIsNotForwarding(member.id)) }
        guard bridge.isUp else { return trail.stopped(.deviceIsDown(bridge.id)) }
        var frame = BridgeFrame(bridge: bridge, from: member, vlan: nil, tables: tables, trail: trail)
        if bridge.filtersVLANs {
            let entrance = member ?? bridge
            let all = tables.bridgeVLANs[entrance.id.index] ?? []
            let tag = trail.vlan == 0 ? nil : trail.vlan
            guard let entry = all.first(where: { tag == nil ? $0.isDefault : $0.tag == tag }) else {
                return trail.stopped(.memberIsNotInVLAN(entrance.id, tag))
            }
            frame.vlan = entry.tag
        }
        if trail.nextHop == nil, trail.destinationMAC == nil { return bridgedUnseen(frame) }
        return bridgedKnown(frame)
    }

    /// The frame's receiver is known, by its address at least.
    func bridgedKnown(_ frame: BridgeFrame) -> [Way] {
        if let place = place(in: frame) {
            switch place {
            case .here: return up(frame)
            case .behind(let index):
                guard let member = frame.tables.devices[index] else { return frame.trail.ended(.unknown("bridge")) }
                return out(frame, member)
            }
        }
        guard let nextHop = frame.trail.nextHop else { return flooded(frame, frame.others) }
        if let own = frame.own, frame.from != nil, has(own, nextHop) { return up(frame) }
        let tag = frame.vlan ?? frame.trail.vlan
        let asked = frame.others.map { ($0, answers(beyond: $0, nextHop, tag)) }
        let certain = asked.filter { $0.1 == .yes }.map(\.0)
        let possible = asked.filter { $0.1 == .unknown }.map(\.0)
        let bound = possible.filter { bindings.binds(nextHop, to: $0.id) }
        if !certain.isEmpty {
            // Who has the address there may have taken that of somebody whose place the policy knows.
            return limited(certain) { claimed(nextHop, $0, isAlone: bound.isEmpty, frame) }
                + atBound(bound, nextHop, frame)
        }
        if !bound.isEmpty { return atBound(bound, nextHop, frame) }
        guard !possible.isEmpty else { return frame.trail.stopped(.nobodyAnswers(nextHop, frame.bridge.id)) }
        return flooded(frame, possible)
    }

    private func claimed(_ address: IPAddress, _ member: NetworkDevice, isAlone: Bool, _ frame: BridgeFrame) -> [Way] {
        var frame = frame
        if !isAlone, let namespace = member.lower?.namespace {
            frame.trail = frame.trail.assuming(.claimed(address, by: namespace))
        }
        return out(frame, member)
    }

    private func atBound(_ members: [NetworkDevice], _ address: IPAddress, _ frame: BridgeFrame) -> [Way] {
        limited(members) { member in
            var frame = frame
            frame.trail = frame.trail.assuming(.bound(address, member.id))
            return out(frame, member)
        }
    }

    /// What the kernel's tables say.
    private func place(in frame: BridgeFrame) -> NetworkTables.Place? {
        var mac = frame.trail.destinationMAC
        if mac == nil, let nextHop = frame.trail.nextHop, let own = frame.own, !has(own, nextHop) {
            mac = frame.tables.neighbours[.init(device: own.id.index, address: nextHop)]
        }
        guard let mac else { return nil }
        if frame.from != nil, mac == frame.bridge.mac { return .here }
        return frame.tables.stations[.init(bridge: frame.bridge.id.index, mac: mac, vlan: frame.vlan)]
    }

    private func flooded(_ frame: BridgeFrame, _ members: [NetworkDevice]) -> [Way] {
        guard !members.isEmpty else { return frame.trail.stopped(.turnsBack(frame.from?.id ?? frame.bridge.id)) }
        return limited(members) { member in
            var frame = frame
            if members.count > 1 {
                frame.trail = frame.trail.assuming(.member(frame.trail.nextHop ?? packet.destination, member.id))
            }
            return out(frame, member)
        }
    }

    /// The bridge's own device gets the frame.
    func up(_ frame: BridgeFrame) -> [Way] {
        let bridge = frame.bridge
        var trail = frame.trail.with(.bridged(bridge.id, from: frame.from?.id.index, to: nil)).forReceiver()
        if frame.vlan != nil {
            guard let entry = frame.entry(bridge) else {
                return trail.stopped(.memberIsNotInVLAN(bridge.id, frame.vlan))
            }
            trail.vlan = entry.isUntagged ? nil : entry.tag
        }
        return receive(bridge, trail)
    }

    /// A member gets the frame, if the bridge lets it pass from one to the other.
    func out(_ frame: BridgeFrame, _ member: NetworkDevice) -> [Way] {
        var trail = frame.trail
        guard member.membership.isForwarding else { return trail.stopped(.memberIsNotForwarding(member.id)) }
        if let from = frame.from {
            if from.id == member.id, !member.membership.isHairpin { return trail.stopped(.turnsBack(member.id)) }
            if from.membership.isIsolated, member.membership.isIsolated {
                return trail.stopped(.membersAreIsolated(from.id, member.id))
            }
        }
        if frame.vlan != nil {
            guard let entry = frame.entry(member) else {
                return trail.stopped(.memberIsNotInVLAN(member.id, frame.vlan))
            }
            trail.vlan = entry.isUntagged ? nil : entry.tag
        }
        let step = Way.Step.bridged(frame.bridge.id, from: frame.from?.id.index, to: member.id.index)
        return transmit(member, trail.with(step))
    }
}
