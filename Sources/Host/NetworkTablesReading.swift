// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import Network

extension NetworkTables {
    /// Reads the calling thread's namespace.
    ///
    /// - Parameters:
    ///   - name: As `ip netns` calls the namespace.
    ///   - namespaces: Those that a device's other end may be in, by what the calling thread's calls them.
    init(name: String?, inode: UInt64, namespaces: () -> [Int32: UInt64]) throws(HostError) {
        self.init(name: name)
        let links = try unsafe listed("network devices", notingIn: &cut, bulkhead_read_links)
        let ids = links.contains { $0.lower_namespace >= 0 } ? namespaces() : [:]
        for link in links { devices[link.index] = NetworkDevice(link, in: inode, ids) }
        for address in try unsafe listed("addresses", notingIn: &cut, bulkhead_read_addresses) {
            devices[address.index]?.addresses.append(
                .init(IPAddress(family: address.family, bytes: address.bytes), length: Int(address.prefix_length)))
        }
        for neighbour in try unsafe listed("neighbours", notingIn: &cut, bulkhead_read_neighbours) {
            let address = IPAddress(family: neighbour.family, bytes: neighbour.address)
            self.neighbours[.init(device: neighbour.index, address: address)] = MACAddress(neighbour.mac)
        }
        for station in try unsafe listed("forwarding databases", notingIn: &cut, bulkhead_read_stations) {
            let key = Station(
                bridge: station.bridge, mac: MACAddress(station.mac), vlan: station.vlan == 0 ? nil : station.vlan)
            stations[key] = station.is_local != 0 ? .here : .behind(station.index)
        }
        for vlan in try unsafe listed("VLANs of bridges", notingIn: &cut, bulkhead_read_bridge_vlans) {
            bridgeVLANs[vlan.index, default: []].append(
                .init(tag: vlan.tag, isDefault: vlan.is_default != 0, isUntagged: vlan.is_untagged != 0))
        }
        for family in AddressFamily.allCases { try readForwarding(family) }
    }

    private mutating func readForwarding(_ family: AddressFamily) throws(HostError) {
        let number = UInt8(family == .v4 ? AF_INET : AF_INET6)
        let all = try unsafe listed("settings of devices", notingIn: &cut) { list, count in
            unsafe bulkhead_read_forwarding(number, list, count)
        }
        for found in all {
            let forwarding = Forwarding(
                isOn: found.is_on != 0, checksReversePath: found.reverse_path_filter != 0,
                isProxy: found.is_proxy != 0)
            if found.index == Int32(BULKHEAD_ALL_DEVICES) {
                forwardingOfAll[family] = forwarding
            } else if let index = UInt32(exactly: found.index) {
                self.forwarding[family, default: [:]][index] = forwarding
            }
        }
    }
}

extension NetworkDevice {
    fileprivate init(_ link: bulkhead_link, in namespace: UInt64, _ ids: [Int32: UInt64]) {
        self.init(
            id: DeviceID(namespace: namespace, index: link.index), name: text(of: link.name), kind: text(of: link.kind))
        isUp = link.is_up != 0
        mac = link.has_mac != 0 && link.is_loopback == 0 ? MACAddress(link.mac) : nil
        master = link.master == 0 ? nil : link.master
        if link.lower != 0 {
            let place = link.lower_namespace == BULKHEAD_SAME_NAMESPACE ? namespace : ids[link.lower_namespace]
            lower = place.map { DeviceID(namespace: $0, index: link.lower) }
        }
        vlan = kind == "vlan" ? link.vlan : nil
        membership.isForwarding = link.is_forwarding != 0
        membership.isHairpin = link.is_hairpin != 0
        membership.isIsolated = link.is_isolated != 0
        filtersVLANs = link.filters_vlans != 0
        if link.calls_v4 != 0 { callsPacketFilter.insert(.v4) }
        if link.calls_v6 != 0 { callsPacketFilter.insert(.v6) }
        // BOND_MODE_ACTIVEBACKUP
        isActiveBackup = kind == "bond" && link.bond_mode == 1
        activeMember = link.active_member == 0 ? nil : link.active_member
    }
}

extension MACAddress {
    fileprivate init(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
        let (a, b, c, d, e, f) = bytes
        self.init([a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) })
    }
}
