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
        switch random.number(0...9) {
        case 0: words.append("ip saddr \(not())192.0.2.0/24")
        case 1: words.append("ip daddr \(not()){ 198.18.1.0/24, 203.0.113.0/28, 192.0.2.200 }")
        case 2: words.append("ip saddr \(not())@near")
        case 3: words.append("ip saddr . tcp dport \(not())@ends")
        case 4 where family == "inet": words.append("ip6 saddr \(not())2001:db8:1::/64")
        case 5 where family == "inet": words.append("meta nfproto \(random.pick(["ipv4", "ipv6"]))")
        case 6: words.append("fib daddr type local")
        case 7: words.append("ip daddr 198.18.0.2-198.18.0.99")
        default: break
        }
        switch random.number(0...11) {
        case 0, 1:
            words.append("tcp dport \(not())" + random.pick(["22", "{ 80, 443 }", "1000-2000", "{ 22, 8000-8100 }"]))
        case 2, 3: words.append("udp dport \(not())" + random.pick(["53", "{ 53, 123 }", "< 1024", ">= 1024"]))
        case 4: words.append("meta l4proto { tcp, udp } th dport 53")
        case 5: words.append("icmp type { echo-request, destination-unreachable }")
        case 6 where family == "inet": words.append("icmpv6 type { echo-request, packet-too-big }")
        case 7: words.append("tcp flags & (fin|syn|rst|ack) \(random.pick(["==", "!="])) syn")
        case 8: words.append("tcp flags \(random.pick(["syn", "! syn", "== syn", "& (syn|psh|ack) == syn|psh"]))")
        case 9: words.append("ip protocol \(not())\(random.pick(["tcp", "47"]))")
        case 10: words.append("udp sport 53")
        default: break
        }
        switch random.number(0...13) {
        case 0: words.append("ct state \(random.pick(["new", "invalid", "established,new", "!= new"]))")
        case 1: words.append("ip ttl \(random.pick(["< 201", "201", "!= 201", "> 64"]))")
        case 2: words.append("meta length \(random.pick(["< 32", "31-40", "!= 0-40"]))")
        case 3: words.append("ip dscp \(not())ef")
        case 4: words.append("meta mark 1")
        case 5: words.append("ip saddr @coming")
        case 6: words.append("limit rate \(random.pick(["", "over "]))3/minute burst 3 packets")
        default: break
        }
        return (words + [random.pick(targets)]).joined(separator: " ")
    }

    private mutating func not() -> String { random.once(in: 3) ? "!= " : "" }
}
