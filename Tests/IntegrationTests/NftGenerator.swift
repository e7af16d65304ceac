// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// Draws rule sets of nft in which the expressions that the importer knows stand beside each other.
struct NftGenerator {
    private var random: RandomNumbers

    init(seed: UInt64) { random = RandomNumbers(seed: seed) }

    mutating func ruleSet(_ name: String) -> Integration.ImportTests.RuleSet {
        let family = random.pick(["inet", "inet", "ip"])
        var lines = ["table \(family) t {"]
        lines.append(
            "set near { type ipv4_addr; flags interval; elements = { 192.0.2.0/25, 198.18.1.10-198.18.1.90 } }")
        lines.append("set ends { type ipv4_addr . inet_service; elements = { 192.0.2.9 . 80, 198.18.0.9 . 53 } }")
        lines.append("set coming { type ipv4_addr; flags timeout; elements = { 198.18.0.77 timeout 1h } }")
        lines.append(
            "map verdicts { type inet_service : verdict; elements = { 22 : accept, 23 : drop, 80 : jump two } }")
        lines += chain("two", 4, targets: ["accept", "drop", "return"], devices: [], family)
        lines += chain(
            "one", 4, targets: ["accept", "drop", "return", "return", "jump two", "goto two"], devices: [], family)
        let hooks: [(String, [String])] = [
            ("input", ["iifname"]), ("forward", ["iifname", "oifname"]), ("output", ["oifname"]),
        ]
        for (hook, devices) in hooks {
            let policy = random.pick(["accept", "drop", "drop"])
            let state = random.pick([
                "ct state established,related accept",
                "ct state vmap { established : accept, related : accept, invalid : drop }",
                "",
            ])
            lines += chain(
                hook, random.number(2...8), targets: Self.targets, devices: devices, family,
                first: ["type filter hook \(hook) priority 0; policy \(policy);", state])
            if random.once(in: 4) {
                lines += chain(
                    "early-\(hook)", 2, targets: ["drop", "accept"], devices: devices, family,
                    first: ["type filter hook \(hook) priority -10; policy accept;"])
            }
        }
        if random.once(in: 3) {
            lines += chain(
                "raw", 2, targets: ["drop", "accept"], devices: ["iifname"], family,
                first: ["type filter hook prerouting priority -300; policy accept;"])
        }
        return .init(name: name, files: ["\(name).nft": lines.joined(separator: "\n") + "\n}\n"])
    }

    private static let targets = [
        "accept", "accept", "accept", "drop", "drop", "reject", "log prefix \"a\"", "log accept", "jump one",
        "jump two",
        "tcp dport vmap @verdicts", "meta l4proto vmap { tcp : jump one, udp : jump two }", "counter",
    ]

    private mutating func chain(
        _ name: String, _ count: Int, targets: [String], devices: [String], _ family: String, first: [String] = []
    ) -> [String] {
        let rules = (0..<count).map { _ in rule(targets, devices, family) }
        return ["chain \(name) {"] + first + rules + ["}"]
    }

    private mutating func rule(_ targets: [String], _ devices: [String], _ family: String) -> String {
        var words: [String] = []
        for device in devices where random.once(in: 3) {
            words.append(
                "\(device) \(not())" + random.pick(["\"eth0\"", "\"eth1\"", "\"eth*\"", "{ \"eth0\", \"lo\" }"]))
        }
        // Of one rule, all must be about one version of IP and one protocol.
        let version = family == "ip" ? "v4" : random.pick(["v4", "v6", "both"])
        let name = random.pick(["tcp", "tcp", "udp", "udp", "icmp", ""])
        words += addresses(version, name) + port(version, name) + field(version)
        let target = random.pick(
            targets.filter { target in
                target.hasPrefix("tcp") ? ["tcp", ""].contains(name) : !target.hasPrefix("meta") || name.isEmpty
            })
        return (words + [target]).joined(separator: " ")
    }

    private mutating func addresses(_ version: String, _ name: String) -> [String] {
        switch (version, random.number(0...6)) {
        case ("v4", 0): return ["ip saddr \(not())192.0.2.0/24"]
        case ("v4", 1): return ["ip daddr \(not()){ 198.18.1.0/24, 203.0.113.0/28, 192.0.2.200 }"]
        case ("v4", 2): return ["ip saddr \(not())@near"]
        case ("v4", 3) where name == "tcp": return ["ip saddr . tcp dport \(not())@ends"]
        case ("v4", 4): return ["ip daddr 198.18.0.2-198.18.0.99"]
        case ("v4", 5): return ["ip saddr @coming"]
        case ("v6", 0...3): return ["ip6 saddr \(not())2001:db8:1::/64"]
        case ("v6", 4): return ["meta nfproto ipv6"]
        case ("both", 0): return ["fib daddr type local"]
        default: return []
        }
    }

    private mutating func port(_ version: String, _ name: String) -> [String] {
        switch (name, random.number(0...5)) {
        case ("tcp", 0...1):
            return ["tcp dport \(not())" + random.pick(["22", "{ 80, 443 }", "1000-2000", "{ 22, 8000-8100 }"])]
        case ("tcp", 2): return ["tcp flags & (fin|syn|rst|ack) \(random.pick(["==", "!="])) syn"]
        case ("tcp", 3): return ["tcp flags \(random.pick(["syn", "! syn", "== syn", "& (syn|psh|ack) == syn|psh"]))"]
        case ("tcp", _): return ["tcp sport 1024-65535"]
        case ("udp", 0...1): return ["udp dport \(not())" + random.pick(["53", "{ 53, 123 }"])]
        case ("udp", 2...3): return ["udp dport " + random.pick(["< 1024", ">= 1024", "> 60000"])]
        case ("udp", _): return ["udp sport 53"]
        case ("icmp", 0...2) where version == "v4": return ["icmp type { echo-request, destination-unreachable }"]
        case ("icmp", _) where version == "v4": return ["ip protocol \(not())\(random.pick(["tcp", "47"]))"]
        case ("icmp", _) where version == "v6": return ["icmpv6 type { echo-request, packet-too-big }"]
        case ("icmp", _): return ["meta l4proto { tcp, udp } th dport 53"]
        default: return []
        }
    }

    private mutating func field(_ version: String) -> [String] {
        switch random.number(0...13) {
        case 0: return ["ct state \(random.pick(["new", "invalid", "established,new"]))"]
        case 1 where version == "v4": return ["ip ttl \(random.pick(["< 201", "201", "!= 201", "> 64"]))"]
        case 1 where version == "v6": return ["ip6 hoplimit \(random.pick(["< 201", "201", "!= 201"]))"]
        case 2: return ["meta length \(random.pick(["< 32", "31-40", "!= 0-40"]))"]
        case 3 where version == "v4": return ["ip dscp \(not())ef"]
        case 4: return ["meta mark 1"]
        case 5: return ["limit rate \(random.pick(["", "over "]))3/hour burst 3 packets"]
        default: return []
        }
    }

    private mutating func not() -> String { random.once(in: 3) ? "!= " : "" }
}
