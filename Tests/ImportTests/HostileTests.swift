// SPDX-License-Identifier: Apache-2.0
import Import
import Network
import Policy
import TestSupport
import Testing

/// Rule sets that nobody wrote in good faith: they are refused in words, or become a policy that says no more than they
/// do, in time, and with nothing in it that a terminal or YAML would obey.
@Suite struct HostileTests {
    private static func refusal(_ files: [String: String]) -> String? {
        do throws(ImportError) {
            _ = try ImportedPolicy.of(
                files.sorted { $0.key < $1.key }.map { ImportSource(name: $0.key, text: $0.value) },
                format: .iptablesSave)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(arguments: [
        ("", "none of the files has a table"), ("garbage\n", "a.v4:1: expected a table"),
        ("\0\0\0", "a.v4:1: expected a table"), ("*filter\nhello\n", "a.v4:2: expected a line"),
        ("*filter\n-A INPUT -j ACCEPT\n", "a.v4:2: the chain \"INPUT\" is not declared"),
        ("*filter\n:INPUT DROP [0:0]\n-A INPUT -s\n", "a.v4:3: -s has no value"),
        ("*filter\n:INPUT DROP [0:0]\n-A INPUT --dport 22 -j ACCEPT\n", "a.v4:3: --dport needs -p"),
        ("*filter\n:INPUT DROP [0:0]\n-I INPUT 3 -j ACCEPT\n", "a.v4:3: a rule with a number"),
    ])
    func isRefusedWithItsPlace(text: String, words: String) {
        #expect(Self.refusal(["a.v4": text])?.contains(words) == true, "\(Self.refusal(["a.v4": text]) ?? "accepted")")
    }

    @Test(arguments: ["-j", "-g"]) func chainsThatCallThemselvesAreRefused(option: String) {
        let loop = savedTable(
            ["-A INPUT \(option) one", "-A one \(option) two", "-A two \(option) one"], chains: ["one", "two"])
        #expect(Self.refusal(["a.v4": loop])?.contains("more than 64 deep") == true)
        let own = savedTable(["-A INPUT \(option) one", "-A one \(option) one"], chains: ["one"])
        #expect(Self.refusal(["a.v4": own])?.contains("more than 64 deep") == true)
    }

    @Test func jumpsThatDoubleAtEachLevelAreRefusedInTime() {
        let names = (0..<40).map { "c\($0)" }
        let jumps = zip(names, names.dropFirst()).flatMap { Array(repeating: "-A \($0) -j \($1)", count: 2) }
        let text = savedTable(["-A INPUT -j c0"] + jumps + ["-A c39 -j ACCEPT"], chains: names)
        let clock = ContinuousClock()
        let took = clock.measure { #expect(Self.refusal(["a.v4": text])?.contains("ways") == true) }
        #expect(took < .seconds(20))
    }

    @Test func aDeepChainOfJumpsIsWalked() throws {
        let names = (0..<60).map { "c\($0)" }
        let jumps = zip(names, names.dropFirst()).map { "-A \($0) -j \($1)" }
        let text = savedTable(["-A INPUT -j c0"] + jumps + ["-A c59 -p tcp --dport 9 -j ACCEPT"], chains: names)
        let imported = try Imported(.iptablesSave, ["a.v4": text])
        #expect(imported.errors == [])
    }

    @Test func hugeLinesAreReadInTime() throws {
        let addresses = (0..<60_000).map { "10.\($0 >> 16 & 255).\($0 >> 8 & 255).\($0 & 255)" }.joined(separator: ",")
        let comment = String(repeating: "x", count: 1 << 20)
        let rules = [
            "-A INPUT -s \(addresses) -p tcp --dport 9 -j ACCEPT",
            "-A INPUT -m comment --comment \"\(comment)\" -j DROP",
            "-A INPUT -m mark --mark \(String(repeating: "9", count: 1 << 20)) -j ACCEPT",
        ]
        let clock = ContinuousClock()
        var imported: Imported?
        let took = try clock.measure { imported = try Imported(.iptablesSave, ["a.v4": savedTable(rules)]) }
        #expect(took < .seconds(20))
        #expect(imported?.errors == [])
        #expect(imported?.policy.notes.allSatisfy { $0.words.utf8.count < 1000 } == true)
    }

    /// Everything that is not printable, and marks that change the order of what is shown.
    private static let tricks = [
        "\u{1b}]0;owned\u{7}", "\u{1b}[2J", "a\rb", "\u{202e}evil", "\u{200b}", "\u{feff}", "\u{85}", "\u{2028}",
        "\u{9b}31m", "\\\"", "' : - {", "}\\n  - { name: open, action: accept }", "# x", "&a *a !!t", "\u{fffd}", "%",
        "\t", "\u{7f}", "\u{e000}",
    ]

    private static func isHarmless(_ text: String, except allowed: Set<Unicode.Scalar> = ["\n"]) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            if allowed.contains(scalar) { return true }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                return false
            default: return true
            }
        }
    }

    @Test(arguments: tricks) func nothingEscapesIntoThePolicyOrTheTerminal(trick: String) throws {
        let quoted = trick.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: " ")
        let rules = [
            "-A INPUT -p tcp --dport 9 -m comment --comment \"\(quoted)\" -j ACCEPT",
            "-A INPUT -m mark --mark \"\(quoted)\" -j ACCEPT",
            "-A INPUT -p udp -j LOG --log-prefix \"\(quoted)\"", "-A INPUT -p udp --dport 8 -j \"\(quoted)c\"",
            "-A INPUT -m set --match-set \"\(quoted)\" src -j DROP", "-A INPUT -p \"\(quoted)\" -j ACCEPT",
        ]
        let imported = try Imported(.iptablesSave, ["\(trick)a.v4": savedTable(rules)])
        #expect(Self.isHarmless(imported.policy.text), "\(imported.policy.text)")
        #expect(imported.notes.allSatisfy { Self.isHarmless($0, except: []) })
        #expect(imported.errors == [], "\(imported.policy.text)")
        #expect(imported.loaded.ruleset?.rules.contains { $0.name == "open" } != true)
        // What is quoted is read again as it was.
        if let rule = imported.loaded.ruleset?.rules.first(where: { $0.comment != nil }) {
            #expect(rule.comment == trick.replacing("\n", with: " "))
        }
    }

    @Test(arguments: ["e/0", "e:0", "e 0", "e\u{1b}[2J", "e*", "e?", "[e]", "", ".", "a-name-too-long-for-it"])
    func whatIsNoDeviceIsRefused(name: String) {
        let words = Self.refusal(["a.v4": savedTable(["-A INPUT -i \"\(name)\" -j ACCEPT"])])
        #expect(words?.hasPrefix("a.v4:6: -i ") == true, "\(words ?? "accepted")")
    }

    @Test func aRuleOfCountlessOptionsIsRefused() {
        let rule = "-A INPUT " + String(repeating: "! ", count: 1 << 18) + "-j ACCEPT"
        #expect(Self.refusal(["a.v4": savedTable([rule])])?.contains("more than 1000 options") == true)
    }

    @Test func whatIsRefusedIsHarmlessToo() {
        for trick in Self.tricks {
            let words = Self.refusal(["\(trick).v4": "*filter\n\(trick)\n"])
            #expect(words.map { Self.isHarmless($0, except: []) } != false, "\(words ?? "")")
        }
    }

    /// Cut, doubled and changed anywhere, a rule set is refused or imported, and never the end of the process.
    @Test(arguments: 1...8) func mutationsEndInWords(seed: Int) throws {
        var random = RandomNumbers(seed: UInt64(seed))
        let rules = [
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -s 192.0.2.0/24 -p tcp -j one",
            "-A one -p tcp -m multiport --dports 80,443 -m comment --comment \"a \\\"b\\\"\" -j ACCEPT",
            "-A one -m limit --limit 3/min -j RETURN", "-A one -m hashlimit --hashlimit-above 3/s -j DROP",
            "-A one -p icmp -m icmp --icmp-type 3/1 -m length --length 1:9 -j LOG --log-prefix a",
        ]
        let bytes = Array(savedTable(rules, chains: ["one"]).utf8)
        for _ in 0..<400 {
            var copy = bytes
            for _ in 0..<random.number(1...4) {
                let place = random.number(0...copy.count - 1)
                switch random.number(0...3) {
                case 0: copy[place] = UInt8(random.number(0...255))
                case 1: copy.remove(at: place)
                case 2: copy.insert(copy[random.number(0...copy.count - 1)], at: place)
                default: copy.removeSubrange(place..<min(copy.count, place + random.number(0...30)))
                }
            }
            let text = String(decoding: copy, as: UTF8.self)
            guard let imported = try? Imported(.iptablesSave, ["a.v4": text]) else { continue }
            #expect(imported.errors == [], "\(text)\n\(imported.policy.text)")
            #expect(Self.isHarmless(imported.policy.text))
        }
    }
}
