// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport

/// Draws packets near the boundaries of a rule set, from its text alone: addresses just inside and outside of what it
/// names, its ports and types and their neighbours.
struct ImportProbes {
    private var random: RandomNumbers
    private var addresses: [AddressFamily: [IPAddress]] = [:]
    private var own: [AddressFamily: [IPAddress]] = [:]
    private var ports: [UInt16] = [1, 22, 80, 443, 40000, 65535]
    private let devices: Int
    /// Whether the rule set asks what is the host's own. In IPv6 a router's anycast address of a network is `host` to a
    /// policy, and another type than `local` to the kernel's rules.
    private let asksLocal: Bool

    init(_ texts: [String], devices: Int, seed: UInt64) {
        random = RandomNumbers(seed: seed)
        self.devices = devices
        asksLocal = texts.contains { $0.contains("LOCAL") || $0.contains("type local") }
        for index in 0..<devices {
            own[.v4, default: []].append(IPAddress("198.18.\(index).1")!)
            own[.v6, default: []].append(IPAddress("2001:db8:\(index)::1")!)
            addresses[.v4, default: []] += ["9", "77", "255"].map { IPAddress("198.18.\(index).\($0)")! }
            addresses[.v6, default: []] += ["9", "77"].map { IPAddress("2001:db8:\(index)::\($0)")! }
        }
        addresses[.v4, default: []] += ["203.0.113.9", "192.0.2.200", "255.255.255.255", "224.0.0.5"]
        addresses[.v6, default: []] += ["2001:db8:ffff::9", "ff02::5"]
        for text in texts { harvest(text) }
    }

    private mutating func harvest(_ text: String) {
        let words = text.split { !($0.isHexDigit || ".:/".contains($0)) || $0 == "\n" }
        // In one order, so that a seed gives the same packets in every process.
        for word in Set(words.map(String.init)).sorted() {
            if let prefix = ImportProbes.prefix(word) {
                var values = [prefix.first, prefix.last]
                if prefix.first > 0 { values.append(prefix.first - 1) }
                let last = AddressSet.all.ranges(prefix.family)[0].upperBound
                if prefix.last < last { values.append(prefix.last + 1) }
                addresses[prefix.family, default: []] += values.map { IPAddress(family: prefix.family, value: $0) }
            }
            for part in word.split(whereSeparator: { ":/.".contains($0) }) {
                guard let number = UInt16(part) else { continue }
                ports += [number, number &+ 1, number &- 1]
            }
        }
        ports = Array(Set(ports)).sorted()
    }

    private static func prefix(_ word: String) -> Prefix? {
        let parts = word.split(separator: "/")
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        if parts.count == 2, let length = Int(parts[1]), (0...address.family.bits).contains(length) {
            return Prefix(address, length: length)
        }
        return Prefix(address)
    }

    mutating func probes(_ count: Int) -> [ImportProbe] { (1...count).map { probe($0) } }

    private mutating func probe(_ number: Int) -> ImportProbe {
        let family: AddressFamily = random.pick([.v4, .v4, .v6])
        let device: Int? = random.once(in: 4) ? nil : random.number(0...devices - 1)
        let far = addresses[family] ?? []
        let near = own[family] ?? []
        var source = random.pick(far)
        var destination = device != nil && random.once(in: 2) ? random.pick(near) : random.pick(far)
        if family == .v6, asksLocal, let own = near.first(where: { $0.value == destination.value &+ 1 }) {
            destination = own
        }
        if device == nil { source = random.pick(near) }
        // A packet whose ends are the same is its own answer, so that its flow passes it each way.
        if source == destination { source = near[0] == destination ? near[1] : near[0] }
        let (segment, isOpening) = segment(family)
        let datagram = Datagram(source, destination, segment) {
            $0.hopLimit = WatchedHost.hopLimit
            if random.once(in: 6) { $0.trafficClass = 46 << 2 }
        }
        return ImportProbe(number: number, device: device, datagram: datagram, isOpening: isOpening)
    }

    private mutating func segment(_ family: AddressFamily) -> (Segment, isOpening: Bool) {
        let source: UInt16 = random.once(in: 4) ? port() : UInt16(random.number(20000...60000))
        switch random.number(0...19) {
        case 0...7: return (.tcp(source, port(), sequence: UInt32(random.number(0...1 << 30))), true)
        case 8...13:
            return (.udp(source, port(), payload: Array(repeating: 1, count: random.pick([3, 3, 4, 20]))), true)
        case 14...16:
            let types: [UInt8] = family == .v4 ? [0, 3, 5, 8, 11, 12, 13, 17, 40] : [1, 2, 3, 4, 128, 129, 139, 200]
            let type = random.pick(types)
            let body = [UInt8(random.number(0...255)), UInt8(random.number(0...255)), 0, 1]
            // Others than requests belong to something that was sent before.
            let isRequest = [8, 13, 17].contains(type) && family == .v4 || type == 128 && family == .v6
            let code: UInt8 = random.once(in: 4) ? 1 : 0
            let segment: Segment =
                family == .v4 ? .icmp(type, code, body: body) : .icmpv6(type, code, body: body)
            return (segment, isRequest && code == 0)
        case 17:
            return (
                Segment(number: random.pick([47, 50, 132, 2, 89, 112, 253]), bytes: Array(repeating: 0, count: 24)),
                false
            )
        default:
            let flags: UInt8 = random.pick([0, 1, 3, 4, 6, 16, 17, 18, 20, 41])
            return (.tcp(source, port(), flags: flags, acknowledgement: 7), false)
        }
    }

    private mutating func port() -> UInt16 {
        let port = random.once(in: 5) ? UInt16(random.number(1...65535)) : random.pick(ports)
        // DHCP is essential to Bulkhead, and not to iptables.
        return [0, 67, 68, 546, 547].contains(port) ? 9 : port
    }
}
