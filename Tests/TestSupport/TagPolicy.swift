// SPDX-License-Identifier: Apache-2.0

/// A policy as security tags make it: each address is in several groups of its own choice, and the rules are between
/// random groups.
public struct TagPolicy: Sendable {
    public var addresses: Int
    public var rules: Int
    public var groups = 300
    /// Groups of one address.
    public var tags = 10
    /// One rule in as many has a limit; 0: none.
    public var limited = 0
    public var seed: UInt64 = 1

    public init(addresses: Int, rules: Int) {
        self.addresses = addresses
        self.rules = rules
    }

    public var services = [
        "tcp/443", "tcp/22", "udp/53", "tcp/5432", "tcp/8000-8099", "tcp/3306", "udp/123", "ping", "tcp/9100",
    ]

    public var text: String {
        var random = RandomNumbers(seed: seed)
        var members = [[String]](repeating: [], count: groups)
        for number in 0..<addresses {
            var chosen: Set<Int> = []
            while chosen.count < min(tags, groups) { chosen.insert(random.number(0...groups - 1)) }
            let address = "198.\(18 + number >> 16).\(number >> 8 & 255).\(number & 255)"
            for group in chosen.sorted() { members[group].append(address) }
        }
        var text = "version: 1\nports:\n  uplink: { interface: eth0, protects: host }\ngroups:\n"
        for (group, addresses) in members.enumerated() {
            text += "  g\(group): { addresses: [\(addresses.joined(separator: ", "))] }\n"
        }
        text += "defaults: { in: drop, out: drop }\nrules:\n"
        for rule in 0..<rules {
            let (from, to) = (random.number(0...groups - 1), random.number(0...groups - 1))
            let action = random.once(in: 5) ? "drop" : "accept"
            let limit = limited > 0 && rule % limited == 0 ? ", limit: { rate: 1/s }" : ""
            text += "  - { name: r\(rule), from: g\(from), to: g\(to), "
            text += "service: \(random.pick(services))\(limit), action: \(action) }\n"
        }
        return text
    }
}
