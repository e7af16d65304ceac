// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport

/// A frame that a hostile guest, or the network, sends, and that nobody must receive.
enum Attacks {
    enum Sender: Sendable {
        case guest
        case network
    }

    struct Attack: Sendable {
        var description: String
        var frame: Frame
        var reason: String
        var sender = Sender.guest
        /// The ports that must report one event each.
        var ports = ["guest"]
    }

    static let all = frames + resolution + neighbours + servers + network

    private static let own = GuestSite.macs.guest
    private static let v4 = GuestSite.guest(.v4)
    private static let v6 = GuestSite.guest(.v6)
    private static let linkLocal = own.linkLocal
    private static let gateway: IPAddress = "198.51.100.1"
    private static let gatewayV6: IPAddress = "fe80::5054:ff:fe00:f0"

    private static func sent(
        _ source: IPAddress, _ segment: Segment, from mac: MACAddress = own, to destination: IPAddress? = nil,
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> Frame {
        Frame(
            Datagram(source, destination ?? GuestSite.other(source.family), segment, change), from: mac,
            to: GuestSite.macs.other)
    }

    private static let frames: [Attack] = [
        .init(
            description: "another's MAC address", frame: sent(v4, .udp(), from: GuestSite.stranger), reason: "guard-mac"
        ),
        .init(
            description: "another's MAC address without IP",
            frame: Frame(
                from: GuestSite.macs.other, to: GuestSite.macs.router, type: 0x88b5,
                payload: [UInt8](repeating: 1, count: 46)),
            reason: "guard-mac"),
        .init(description: "another's IPv4 address", frame: sent(GuestSite.other(.v4), .udp()), reason: "guard-ip"),
        .init(description: "another's IPv6 address", frame: sent(GuestSite.other(.v6), .tcp()), reason: "guard-ip"),
        .init(description: "an address of nobody", frame: sent("203.0.113.77", .udp()), reason: "guard-ip"),
        .init(description: "another's link-local address", frame: sent(gatewayV6, .udp()), reason: "guard-ip"),
        .init(description: "a ping from 0.0.0.0", frame: sent("0.0.0.0", .icmp()), reason: "guard-ip"),
        .init(description: "a ping from ::", frame: sent("::", .icmpv6()), reason: "guard-ip"),
        .init(
            description: "another's address in a later fragment",
            frame: sent(GuestSite.other(.v4), .udp()) { $0.fragment = .last }, reason: "guard-ip"),
        .init(
            description: "another's address behind extension headers",
            frame: sent(GuestSite.other(.v6), .udp()) { $0.extensions = [.hopByHop(), .destination(bytes: 64)] },
            reason: "guard-ip"),
        .init(
            description: "a source route", frame: sent(v4, .udp()) { $0.options = [131, 7, 4, 203, 0, 113, 9, 0] },
            reason: "malformed"),
        .init(
            description: "a segment routing header",
            frame: sent(v6, .udp()) { $0.extensions = [.routing(type: 4, segmentsLeft: 1)] },
            reason: "extension-header"),
    ]

    private static func arp(
        _ operation: UInt8, _ mac: MACAddress, _ sender: IPAddress, _ target: IPAddress, type: UInt16 = 0x0806
    ) -> Frame {
        let body: [UInt8] = [0, 1, 8, 0, 6, 4, 0, operation]
        return Frame(
            from: own, to: "ff:ff:ff:ff:ff:ff", type: type,
            payload: body + mac.bytes + sender.bytes + mac.bytes + target.bytes)
    }

    private static let resolution: [Attack] = [
        .init(description: "an ARP answer for the gateway", frame: arp(2, own, gateway, v4), reason: "guard-arp"),
        .init(
            description: "a gratuitous ARP for the gateway", frame: arp(1, own, gateway, gateway), reason: "guard-arp"),
        .init(
            description: "ARP with another's MAC address", frame: arp(2, GuestSite.stranger, v4, gateway),
            reason: "guard-arp"),
        .init(
            description: "an ARP probe of another's address", frame: arp(1, own, "0.0.0.0", GuestSite.other(.v4)),
            reason: "guard-arp"),
        .init(
            description: "RARP of another", frame: arp(3, GuestSite.stranger, "0.0.0.0", "0.0.0.0", type: 0x8035),
            reason: "guard-arp"),
    ]

    private static func discovery(
        _ type: UInt8, _ source: IPAddress = linkLocal, target: IPAddress? = nil, options: [UInt8] = [],
        _ change: (inout Datagram) -> Void = { _ in }
    ) -> Frame {
        var body = [UInt8](repeating: 0, count: [133: 4, 134: 12, 137: 36][type] ?? 20)
        if let target { body.replaceSubrange(4..<20, with: target.bytes) }
        let datagram = Datagram(source, "ff02::1", .icmpv6(type, body: body + options)) {
            $0.hopLimit = 255
            change(&$0)
        }
        return Frame(datagram, from: own, to: "33:33:00:00:00:01")
    }

    private static let neighbours: [Attack] = [
        .init(
            description: "a neighbour advertisement for the gateway",
            frame: discovery(136, target: gatewayV6, options: [2, 1] + own.bytes), reason: "guard-nd"),
        .init(
            description: "a neighbour advertisement with another's MAC address",
            frame: discovery(136, target: v6, options: [2, 1] + GuestSite.stranger.bytes), reason: "guard-nd"),
        .init(
            description: "a solicitation with another's MAC address",
            frame: discovery(135, target: GuestSite.other(.v6), options: [1, 1] + GuestSite.stranger.bytes),
            reason: "guard-nd"),
        .init(
            description: "a duplicate address probe for another's address",
            frame: discovery(135, "::", target: GuestSite.other(.v6)), reason: "guard-nd"),
        .init(
            description: "a neighbour advertisement in fragments",
            frame: discovery(136, target: v6) { $0.fragment = .first }, reason: "guard-nd"),
        .init(
            description: "a neighbour advertisement behind extension headers",
            frame: discovery(136, target: gatewayV6) { $0.extensions = [.destination()] }, reason: "guard-nd"),
    ]

    private static func toGroup(
        _ group: IPAddress, _ number: UInt8, _ message: [UInt8], _ change: (inout Datagram) -> Void = { _ in }
    ) -> Frame {
        let datagram = Datagram(group.family == .v4 ? v4 : linkLocal, group, Segment(number: number, bytes: message)) {
            $0.hopLimit = 1
            change(&$0)
        }
        return Frame(datagram, from: own, to: "33:33:00:00:00:01")
    }

    private static let servers: [Attack] = [
        .init(
            description: "a DHCPv4 server's offer",
            frame: sent(v4, .udp(67, 68, payload: [UInt8](repeating: 2, count: 240)), to: "255.255.255.255"),
            reason: "guard-dhcp"),
        .init(
            description: "a DHCPv6 server's advertisement",
            frame: sent(linkLocal, .udp(547, 546, payload: [2, 0, 0, 1])), reason: "guard-dhcp"),
        .init(
            description: "a DHCPv4 server's offer in fragments",
            frame: sent(v4, .udp(67, 68, payload: [UInt8](repeating: 2, count: 240))) {
                $0.fragment = .first
                $0.keep = 64
            }, reason: "guard-dhcp"),
        .init(
            description: "a DHCPv4 server's offer from another port",
            frame: sent(v4, .udp(6767, 68, payload: [UInt8](repeating: 2, count: 240)), to: "255.255.255.255"),
            reason: "guard-dhcp"),
        .init(
            description: "a DHCPv6 server's advertisement from another port",
            frame: sent(linkLocal, .udp(6767, 546, payload: [2, 0, 0, 1])), reason: "guard-dhcp"),
        .init(
            description: "an IGMP query", frame: toGroup("224.0.0.1", 2, [0x11, 100, 0, 0, 0, 0, 0, 0]),
            reason: "guard-ra"),
        .init(
            description: "an IGMPv3 query behind authentication",
            frame: toGroup("224.0.0.1", 2, [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]) {
                $0.extensions = [.authentication()]
            },
            reason: "guard-ra"),
        .init(
            description: "an MLD query",
            frame: toGroup("ff02::1", 58, [130] + [UInt8](repeating: 0, count: 23)) { $0.extensions = [.hopByHop()] },
            reason: "guard-ra"),
        .init(
            description: "an announcement of a multicast router",
            frame: toGroup("224.0.0.106", 2, [0x30, 20, 0, 0, 0, 0, 0, 0]),
            reason: "guard-ra"),
        .init(
            description: "a probe of DVMRP", frame: toGroup("224.0.0.4", 2, [0x13, 1, 0, 0, 0, 10, 255, 3]),
            reason: "guard-ra"),
        .init(description: "a PIM hello", frame: toGroup("224.0.0.13", 103, [0x20, 0, 0, 0]), reason: "guard-ra"),
        .init(
            description: "a router advertisement", frame: discovery(134, options: [1, 1] + own.bytes),
            reason: "guard-ra"),
        .init(
            description: "a router advertisement behind extension headers",
            frame: discovery(134) { $0.extensions = [.hopByHop(), .destination()] }, reason: "guard-ra"),
        .init(
            description: "a router advertisement in fragments", frame: discovery(134) { $0.fragment = .first },
            reason: "guard-ra"),
        .init(description: "an ICMPv6 redirect", frame: discovery(137, target: gatewayV6), reason: "guard-ra"),
        .init(
            description: "an ICMP redirect",
            frame: sent(v4, .icmp(5, 1, body: gateway.bytes + [UInt8](repeating: 0, count: 28))), reason: "guard-ra"),
    ]

    private static let network: [Attack] = [
        .init(
            description: "from the network, with a guest's IPv4 address",
            frame: Frame(
                Datagram(v4, GuestSite.other(.v4), .udp()), from: GuestSite.macs.router, to: GuestSite.macs.other),
            reason: "guard-ip", sender: .network, ports: ["uplink"]),
        .init(
            description: "from the network, with a guest's IPv6 address",
            frame: Frame(
                Datagram(v6, GuestSite.other(.v6), .udp()), from: GuestSite.macs.router, to: GuestSite.macs.other),
            reason: "guard-ip", sender: .network, ports: ["uplink"]),
        .init(
            description: "what the bridge floods, at each guest that it is not for",
            frame: Frame(
                Datagram("203.0.113.9", "203.0.113.10", .udp()), from: GuestSite.macs.router, to: GuestSite.stranger),
            reason: "guard-promiscuous", sender: .network, ports: ["guest", "other"]),
    ]
}
