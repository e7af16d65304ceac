// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// A random policy as text, one rule on most lines, and random edits of it: of what a rule does, of what it matches, of
/// its place, of what stands around the rules, and mistakes.
struct EditedPolicy {
    static let path = "policy.yaml"

    private(set) var head: [String]
    private(set) var rules: [String] = []
    private(set) var tail: [String]
    private var random: RandomNumbers
    private var names = 0

    var text: String { (head + ["rules:"] + rules + tail).joined(separator: "\n") + "\n" }

    init(seed: UInt64) {
        random = RandomNumbers(seed: seed)
        head = [
            "version: 1", "ports:", "  uplink: { interface: eth0, protects: host }",
            "  guest: { interface: tap0, protects: workload, mac: \"52:54:00:00:00:01\", addresses: [192.0.2.10] }",
            "groups:", "  office: { addresses: [198.51.100.0/24, \"2001:db8:1::/48\"] }", "  banned: { dynamic: {} }",
            "services:", "  web: [tcp/80, tcp/443]",
        ]
        tail = random.once(in: 2) ? [] : ["# the end", "defaults: { in: drop, out: accept }"]
        if tail.isEmpty { head.append("defaults: { in: \(random.pick(["drop", "accept", "reject"])), out: accept }") }
        if random.once(in: 30) { head.append("layers: [{ name: first, rules: [{ name: f, action: pass }] }]") }
        for _ in 0..<random.number(2...14) { rules.append(rule()) }
        // Both groups are used, or nothing may be taken over because of the warning.
        if !random.once(in: 8) {
            rules.append("  - { name: ban, from: banned, action: drop }")
            rules.append("  - { name: in, from: office, service: web, action: accept }")
        }
    }

    // MARK: Rules

    private mutating func rule() -> String {
        var keys = matches() + effects()
        names += 1
        keys.insert("name: r\(names)", at: random.once(in: 4) ? keys.count : 0)
        let line = "  - { \(keys.joined(separator: ", ")) }"
        return random.once(in: 12) ? line + " # why" : random.once(in: 20) ? line + "\n\n  # next" : line
    }

    private mutating func matches() -> [String] {
        var keys: [String] = []
        let ends = ["office", "banned", "203.0.113.0/24", "\"2001:db8:2::1\"", "[192.0.2.0/25, office]", "any"]
        if !random.once(in: 3) { keys.append("from: \(random.pick(ends))") }
        if random.once(in: 3) { keys.append("to: \(random.pick(ends))") }
        let services = ["tcp/22", "udp/53", "[tcp/80-90, udp/53]", "icmp/*", "web", "proto/47"]
        if !random.once(in: 4) { keys.append("service: \(random.pick(services))") }
        if random.once(in: 6) { keys.append("direction: \(random.pick(["in", "out", "both"]))") }
        if random.once(in: 6) { keys.append("at: \(random.pick(["guest", "[uplink, guest]"]))") }
        if random.once(in: 8) { keys.append("limit: { \(random.pick(EditedPolicy.limits)) }") }
        if random.once(in: 10) { keys.append("starts: \"2030-01-31T18:00:00Z\"") }
        if random.once(in: 10) { keys.append("expires: \"2090-01-31T18:00:00Z\"") }
        if random.once(in: 12) { keys.append("match: { hopLimit: 255, dscp: [ef, 3] }") }
        if random.once(in: 12) { keys.append("\(random.pick(["fromMac", "toMac"])): 52:54:00:00:00:0\(names % 8)") }
        if random.once(in: 60) { keys.append("enabled: \(random.pick(["true", "false"]))") }
        if random.once(in: 10) { keys.append("vlan: [0, 7]") }
        return keys
    }

    private static let limits = [
        "rate: 10/s", "rate: 10/h, per: destination", "rate: 1MB/s, per: source, prefix: { v4: 24 }, over: true",
    ]

    private mutating func effects() -> [String] {
        let action = random.pick(["accept", "accept", "accept", "drop", "drop", "drop", "reject", "log", "pass"])
        var keys = ["action: \(action)"]
        if action == "accept", random.once(in: 6) { keys.append("stateless: true") }
        if action != "log", action != "pass", random.once(in: 4) {
            keys.append("log: \(random.pick(["true", "false"]))")
        }
        if random.once(in: 6) { keys.append("tag: \(random.pick(["r1", "web", "short"]))") }
        if random.once(in: 4) { keys.append("comment: \(random.pick(["\"as agreed\"", "short", "'r1'", "\"\""]))") }
        if random.once(in: 6) { keys.append("meta: { ticket: \(random.number(1...3)), owner: r2 }") }
        return keys
    }

    // MARK: Edits

    /// Makes one edit, or several.
    mutating func edit() {
        repeat { editOnce() } while random.once(in: 3)
    }

    private mutating func editOnce() {
        let index = random.number(0...rules.count - 1)
        switch random.number(0...15) {
        case 0...7: rules[index] = editedEffect(rules[index])
        case 8: rules[index] = editedMatch(rules[index])
        case 9: rules.insert(rule(), at: index)
        case 10: if rules.count > 3 { rules.remove(at: index) }
        case 11: rules.swapAt(index, random.number(0...rules.count - 1))
        case 12: rules.insert("  # note \(random.number(0...9))", at: index)
        case 13: head[2] = head[2].replacing("host", with: "workload")
        case 14: head[5] = "  office: { addresses: [198.51.100.0/\(random.number(24...28)), \"2001:db8:1::/48\"] }"
        default: rules[index] = mistaken(rules[index])
        }
    }

    private mutating func editedEffect(_ line: String) -> String {
        switch random.number(0...7) {
        case 0...2:
            let changes = [
                ("accept", "drop"), ("drop", "accept"), ("drop", "reject"), ("reject", "accept"), ("drop", "log"),
                ("accept", "pass"), ("log", "pass"), ("log", "accept"), ("pass", "drop"),
            ]
            let (old, new) = random.pick(changes)
            return line.replacing("action: \(old)", with: "action: \(new)")
        case 3:
            names += 1
            return line.replacing(#/name: \w+/#, with: "name: n\(names)")
        case 4: return line.replacing(" }", with: ", log: true }", maxReplacements: 1)
        case 5: return line.replacing(#/tag: \w+/#, with: "tag: changed\(random.number(0...3))")
        case 6: return line.replacing(#/comment: [^,}]+/#, with: "comment: changed\(random.number(0...3)) ")
        default: return line.replacing("  - { ", with: "  - { meta: { since: r1 }, ", maxReplacements: 1)
        }
    }

    private mutating func editedMatch(_ line: String) -> String {
        switch random.number(0...8) {
        case 4: line.replacing("rate: 10", with: "rate: 1\(random.number(0...9))")
        case 5: line.replacing("2030-", with: "203\(random.number(1...9))-")
        case 6: line.replacing("hopLimit: 255", with: "hopLimit: \(random.number(1...255))")
        case 7: line.replacing("52:54:", with: "52:55:")
        case 8: line.replacing(" }", with: ", enabled: \(random.pick(["true", "false"])) }", maxReplacements: 1)
        case 0: line.replacing("tcp/22", with: "tcp/23")
        case 1: line.replacing("from: ", with: "to: ")
        case 2: line.replacing(#/service: \w+/\d+/#, with: "service: udp/\(random.number(1...99))")
        default: line.replacing("203.0.113.0", with: "203.0.112.0")
        }
    }

    /// Some are no mistake, or none that lasts.
    private mutating func mistaken(_ line: String) -> String {
        switch random.number(0...6) {
        case 0: line.replacing("action: ", with: "action: x")
        case 1: line.replacing(#/name: \w+/#, with: "name: r1")
        case 2: line.replacing(" }", with: "")
        case 3: line.replacing("- {", with: "-  {")
        case 4: line + " # \u{e9}"
        case 5: " " + line
        default: line.replacing("action: drop", with: "action: drop, stateless: true")
        }
    }
}
