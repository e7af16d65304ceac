// SPDX-License-Identifier: Apache-2.0

/// IP protocol numbers by the names that IANA registers.
public enum ProtocolName {
    /// The number of a name such as `gre`.
    public static func number(_ name: String) -> UInt8? { numbers[name] }

    /// Every name, sorted.
    public static var names: [String] { numbers.keys.sorted() }

    private static let numbers: [String: UInt8] = [
        "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipv4": 4, "ipip": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9,
        "udp": 17, "dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50,
        "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89,
        "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "carp": 112, "l2tp": 115, "isis": 124, "sctp": 132,
        "fc": 133, "mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "shim6": 140, "wesp": 141, "rohc": 142,
    ]
}
