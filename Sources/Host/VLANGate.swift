// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import SystemPackage

/// A gate of VLANs: the bridge filters, a new port is in no VLAN, and so nothing passes it until it gets one. All calls
/// are about the calling thread's network namespace.
///
/// Ports that are let through are in ``tag``, without tags. That the bridge itself is in it tells that the gate is
/// ours: a bridge whose administrator filters VLANs keeps them, and has no gate of this kind.
package struct VLANGate: Sendable {
    /// Nobody else's, most likely: the highest there is.
    package static let tag: UInt16 = 4094

    package enum Failure: Error, Sendable, Hashable {
        /// The bridge is not there.
        case noBridge
        /// The kernel does not filter VLANs.
        case notSupported
        /// The administrator's own VLANs are filtered, or ours is in use.
        case othersVLANs
        case failed(String)
    }

    /// A member of the bridge.
    package struct Member: Sendable, Hashable {
        package var index: UInt32
        /// Whether it is let through.
        package var isAdmitted: Bool
        /// Whether the policy lets frames with tags through.
        package var carriesTags: Bool

        package init(index: UInt32, isAdmitted: Bool, carriesTags: Bool) {
            self.index = index
            self.isAdmitted = isAdmitted
            self.carriesTags = carriesTags
        }
    }

    private let bridge: bulkhead_link
    private let vlans: [UInt32: [bulkhead_bridge_vlan]]

    /// Reads a bridge.
    package init(_ name: String) throws(Failure) {
        do throws(HostError) {
            let links = try unsafe listed("network devices", bulkhead_read_links)
            guard let bridge = links.first(where: { text(of: $0.name) == name && text(of: $0.kind) == "bridge" }) else {
                throw HostError("")
            }
            self.bridge = bridge
            let all = try unsafe listed("VLANs of bridges", bulkhead_read_bridge_vlans)
            vlans = Dictionary(grouping: all, by: \.index)
        } catch {
            throw error.message.isEmpty ? .noBridge : .failed(error.message)
        }
    }

    /// Whether the bridge filters by VLANs of ours.
    package var isUp: Bool {
        bridge.filters_vlans != 0 && bridge.default_vlan == 0 && defaultTag(bridge.index) == Self.tag
    }

    private func defaultTag(_ index: UInt32) -> UInt16? { vlans[index]?.first { $0.is_default != 0 }?.tag }

    /// Whether a member is in any VLAN.
    package func isOpen(_ member: Member) -> Bool { !(vlans[member.index] ?? []).isEmpty }

    // MARK: Up

    /// Puts the gate up, with these members of the bridge let through and no others. Members whose VLANs are the
    /// administrator's keep them. Those that are let through lose no frame.
    package func put(_ members: [Member]) throws(Failure) {
        if !isUp {
            guard bridge.filters_vlans == 0 else { throw .othersVLANs }
            guard !vlans.values.joined().contains(where: { $0.tag == Self.tag }) else { throw .othersVLANs }
        }
        let carriesTags = members.contains { $0.isAdmitted && $0.carriesTags }
        try open(bridge.index, isBridge: true, carriesTags: carriesTags)
        for member in members where member.isAdmitted {
            try open(member.index, isBridge: false, carriesTags: member.carriesTags)
        }
        if !isUp { try shut(members) }
        for member in members where !member.isAdmitted && defaultTag(member.index) == Self.tag {
            try remove(Self.tag, from: member.index)
        }
    }

    /// Takes the bridge over: nobody is in the VLAN that new members would get, and then it filters.
    private func shut(_ members: [Member]) throws(Failure) {
        let old = bridge.default_vlan
        try check(bulkhead_set_default_vlan(bridge.index, 0))
        if old != 0 {
            for index in [bridge.index] + members.map(\.index) where index != bridge.index {
                try remove(old, from: index)
            }
            try remove(old, from: bridge.index, isBridge: true)
        }
        try check(bulkhead_set_vlan_filtering(bridge.index, true))
    }

    private func open(_ index: UInt32, isBridge: Bool, carriesTags: Bool) throws(Failure) {
        let present = vlans[index] ?? []
        let isOwn = present.allSatisfy { $0.tag == bridge.default_vlan || $0.tag == Self.tag }
        if defaultTag(index) != Self.tag, isBridge || isOwn || present.isEmpty {
            try change(index, Self.tag...Self.tag, isBridge: isBridge, isDefault: true)
        }
        let hasTags = present.count > 1
        if carriesTags, !hasTags { try change(index, 1...(Self.tag - 1), isBridge: isBridge) }
    }

    // MARK: Down

    /// Has the bridge not filter any more, and its members in the VLAN that the kernel gives them.
    package func remove(_ members: [UInt32]) throws(Failure) {
        guard isUp else { return }
        try check(bulkhead_set_vlan_filtering(bridge.index, false))
        for index in members { try remove(Self.tag, from: index) }
        try remove(Self.tag, from: bridge.index, isBridge: true)
        try check(bulkhead_set_default_vlan(bridge.index, 1))
    }

    // MARK: The kernel

    private func change(
        _ index: UInt32, _ tags: ClosedRange<UInt16>, isBridge: Bool, isDefault: Bool = false
    ) throws(Failure) {
        var change = bulkhead_vlan_change(
            index: index, first: tags.lowerBound, last: tags.upperBound, is_bridge: isBridge ? 1 : 0, removes: 0,
            is_default: isDefault ? 1 : 0)
        try check(unsafe bulkhead_change_vlans(&change))
    }

    /// One that it is not in is no error.
    private func remove(_ tag: UInt16, from index: UInt32, isBridge: Bool = false) throws(Failure) {
        guard (vlans[index] ?? []).contains(where: { $0.tag == tag }) || tag == Self.tag else { return }
        var change = bulkhead_vlan_change(
            index: index, first: tag, last: tag, is_bridge: isBridge ? 1 : 0, removes: 1, is_default: 0)
        let error = unsafe bulkhead_change_vlans(&change)
        if error != -ENOENT, error != -ENODEV { try check(error) }
    }

    private func check(_ error: Int32) throws(Failure) {
        switch error {
        case 0...: return
        case -EOPNOTSUPP: throw .notSupported
        // A member that went meanwhile needs nothing.
        case -ENODEV: return
        default: throw .failed("\(Errno(rawValue: -error))")
        }
    }
}
