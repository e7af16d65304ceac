// SPDX-License-Identifier: Apache-2.0
import Network

/// Policies between groups as text, like those of a host with many tenants.
public struct GroupPolicy: Sendable {
    public var ports = 500
    public var groups = 200
    /// Prefixes of each group.
    public var prefixes = 100
    /// How many of each group's prefixes another group has too.
    public var shared = 0
    /// Rules between groups.
    public var rules = 5_000
    public var seed: UInt64 = 1

    public init() {}

    /// Each port belongs to one tenant. One rule keeps tenants apart; single rules say what groups may do.
    public func text(namespace: String? = nil) -> String {
        var random = RandomNumbers(seed: seed)
        let place = namespace.map { ", netns: \($0)" } ?? ""
        var text = "version: 1\nports:\n"
        for port in 0..<ports {
            text +=
                "  p\(port): { interface: v\(port)\(place), protects: workload, groups: [tenant-\(port)], "
                + "addresses: [198.18.\(port >> 8).\(port & 255), \"2001:db8:1::\(String(port, radix: 16))\"] }\n"
        }
        text += "groups:\n"
        for port in 0..<ports { text += "  tenant-\(port): {}\n" }
        let all = (0..<groups).map { group in (0..<prefixes).map { prefix(group * prefixes + $0) } }
        for group in 0..<groups {
            var own = all[group]
            for index in 0..<shared { own[index] = random.pick(random.pick(all)) }
            text += "  g\(group): { addresses: [\(own.map { "\"\($0)\"" }.joined(separator: ", "))] }\n"
        }
        text += "rules:\n  - { name: own, within: \"tenant-*\", action: accept }\n"
        for rule in 0..<rules {
            let (from, to) = (random.number(0...groups - 1), random.number(0...groups - 1))
            text += "  - { name: r\(rule), from: g\(from), to: g\(to), service: tcp/\(random.number(1...200)), "
            text += "action: \(FilterSet.action(ofRank: rule)) }\n"
        }
        return text
    }

    /// Prefixes that do not overlap, of both families and of many lengths.
    private func prefix(_ number: Int) -> Prefix {
        let value = UInt128(number)
        if number % 4 == 3 {
            return Prefix(IPAddress(v6: UInt128(0x2001_0db8) << 96 | (value + 1) << 72), length: 56 + number % 73)
        }
        return Prefix(IPAddress(v4: 0x0a00_0000 + UInt32(number) << 8), length: 24 + number % 9)
    }
}
