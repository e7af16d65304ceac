// SPDX-License-Identifier: Apache-2.0

/// The policies of the packet tables.
enum Bench {
    /// For what the parser tells apart: rules accept a few services, and everything else is dropped by default.
    static let parser = PolicyTable(
        """
        version: 1
        ports:
          nic: { interface: nic0, protects: host }
          bare: { interface: nic1, protects: host, defaults: { essentials: off } }
          guest: { interface: tap0, protects: workload, guard: off }
          trunk: { interface: tap1, protects: workload, guard: off, vlans: [0, 10, 20] }
          tagged: { interface: tap2, protects: workload, guard: off, vlans: [10] }
        defaults: { in: drop, out: drop }
        rules:
          - { name: web, service: tcp/80, action: accept }
          - { name: highest, service: tcp/65535, action: accept }
          - { name: by-source, service: { protocol: tcp, ports: [81], sourcePorts: [7000] }, action: accept }
          - { name: dns, to: [192.0.2.0/24, "2001:db8:80::/48"], service: udp/53, action: accept }
          - { name: diameter, service: sctp/3868, action: accept }
          - { name: ping, service: ping, action: accept }
          - { name: gre, service: proto/47, action: accept }
          - { name: esp, service: proto/50, action: accept }
          - { name: llc, service: ethertype/llc, action: accept }
          - { name: experiment, service: ethertype/0x88b5, action: accept }
          - { name: no-experiment, service: ethertype/0x88b7, action: drop }
        """)

    /// Everything is accepted by default.
    static let open = PolicyTable(
        """
        version: 1
        ports:
          nic: { interface: nic0, protects: host }
          guest: { interface: tap0, protects: workload, guard: off }
          guests: { bridge: br0, unknown: drop, guard: off }
        defaults: { in: accept, out: accept }
        """)

    /// One rule drops every IP packet.
    static let closed = PolicyTable(
        """
        version: 1
        ports:
          nic: { interface: nic0, protects: host }
          bare: { interface: nic1, protects: host, defaults: { essentials: off } }
          guest: { interface: tap0, protects: workload, guard: off }
        defaults: { in: accept, out: accept }
        rules:
          - { name: nothing, action: drop }
        """)

    /// Rules that apply in various places.
    static let rules = PolicyTable(
        """
        version: 1
        ports:
          nic: { interface: nic0, protects: host }
          guest: { interface: tap0, protects: workload, guard: off }
          other: { interface: tap1, protects: workload, guard: off }
          inverse: { interface: tap2, protects: workload, guard: off, defaults: { in: accept, out: drop } }
        groups:
          net: { addresses: [198.18.4.0/22, "2001:db8:4::/46"], except: [198.18.5.5, "2001:db8:5::5"] }
          tenant-1: { addresses: [198.18.65.0/24, "2001:db8:0:4001::/64"] }
          tenant-2: { addresses: [198.18.66.0/24, "2001:db8:0:4002::/64"] }
        defaults: { in: drop, out: accept }
        rules:
          - { name: vlan-77, vlan: 77, action: drop }
          - { name: at-nic, service: tcp/1001, action: accept, at: [nic] }
          - { name: at-two, service: tcp/1002, action: drop, at: [nic, guest] }
          - { name: in-only, service: tcp/1003, action: accept, direction: in }
          - { name: out-only, service: tcp/1004, action: drop, direction: out }
          - { name: vlan-10, vlan: 10, service: tcp/1005, action: accept }
          - { name: untagged, vlan: 0, service: tcp/1006, action: accept }
          - { name: first, service: tcp/1007, action: accept }
          - { name: second, service: tcp/1000-1007, action: drop, at: [other], direction: out }
          - { name: from-net, from: net, service: tcp/1010, action: accept }
          - { name: not-net, from: { except: net }, service: tcp/1011, action: accept }
          - { name: within, within: "tenant-*", service: tcp/1012, action: accept }
          - { name: range, service: udp/5000-5099, action: accept }
          - { name: sources, service: { protocol: udp, ports: [6000], sourcePorts: [123, "1000-1009"] }, \
        action: accept }
          - { name: all-sctp, service: "sctp/*", action: accept }
          - { name: unreachable-3, service: [icmp/3/3, icmpv6/1/3], action: accept }
          - { name: exceeded, service: [icmp/11, icmpv6/3], action: accept }
          - { name: ospf, service: proto/89, action: accept }
        """)
}
