// SPDX-License-Identifier: Apache-2.0
import Analysis
import Network
import Policy
import TestSupport
import Testing
import Wire

/// What is said of one small site, in its own names.
@Suite struct AnswerTests {
    private static let ports = """
        version: 1
        ports:
          uplink: { interface: eth0, protects: host }
          web-1: { interface: tap1, protects: workload, addresses: [198.51.100.10, "2001:db8:1::10"], groups: [web] }
          web-2: { interface: tap2, protects: workload, addresses: [198.51.100.11, "2001:db8:1::11"], groups: [web] }
          db-1: { interface: tap3, protects: workload, addresses: [198.51.100.20, "2001:db8:1::20"], groups: [db] }
        groups:
          web: {}
          db: {}
          office: { addresses: [203.0.113.0/24, "2001:db8:9::/48"] }

        """
    private static let rules = """
        rules:
          - { name: https, to: web, service: https, action: accept }
          - { name: ssh, from: office, to: host, service: tcp/22, action: accept }
          - { name: db, from: web, to: db, service: postgres, action: accept }

        """

    private func load(_ text: String) throws -> Ruleset {
        let loaded = PolicyLoader(files: MemoryFiles(["p.yaml": text])).load("p.yaml", requiresDevices: false) { _ in
            .empty
        }
        return try #require(loaded.ruleset, "\(loaded.diagnostics)")
    }

    private func assertion(_ text: String, rules: String = rules) throws -> (String?, Finding?) {
        let ruleset = try load(Self.ports + rules + "assertions:\n  - { name: a, \(text) }\n")
        let proof = try #require(Prover(ruleset, protects: ruleset.protects([])).proofs().first)
        let diagnostic = proof.diagnostic(ruleset)
        return (diagnostic?.message, diagnostic?.finding)
    }

    @Test(arguments: [
        "from: { except: [web, db] }, to: db, service: tcp/*, expect: drop",
        "from: web, to: db, service: postgres, expect: accept",
        "from: office, to: host, service: tcp/22, expect: accept",
        "from: { except: [office, web, db] }, to: host, expect: drop",
        "to: web, service: tcp/443, expect: accept",
        "from: db, to: { except: [web, db] }, service: ping, expect: accept",
    ])
    func holds(text: String) throws { #expect(try assertion(text).0 == nil) }

    @Test func aFailingOneShowsAPacketAndItsWay() throws {
        let open = Self.rules + "  - { name: late, from: office, to: [web, db], service: tcp/22, action: accept }\n"
        let (message, finding) = try assertion("from: office, to: db, expect: drop", rules: open)
        #expect(
            message
                == "the assertion \"a\" does not hold: 203.0.113.200 > 198.51.100.20 tcp/22 passes: in at uplink "
                + "accepted by rule \"late\" (p.yaml:15), then in at db-1 accepted by rule \"late\" (p.yaml:15)")
        #expect(finding?.by == ["late"])
        #expect(finding?.example?.port == "db-1")
        #expect(finding?.example?.direction == "in")
    }

    @Test(arguments: ["accept", "drop"]) func aLimitMayHoldOrNot(expect: String) throws {
        let limited = "rules:\n  - { name: r, to: web, service: https, action: accept, limit: { rate: 1/s } }\n"
        let (message, _) = try assertion("to: web, service: tcp/443, expect: \(expect)", rules: limited)
        #expect(message?.contains("limits") == true)
    }

    @Test func whatNothingCanBreakSaysNothing() throws {
        let (message, _) = try assertion("from: 198.51.100.20, to: \"2001:db8::1\", expect: drop")
        #expect(message?.contains("says nothing") == true)
    }

    private func difference(_ old: String, _ new: String) throws -> [Difference.Change] {
        let (old, new) = (try load(Self.ports + old), try load(Self.ports + new))
        return Difference(from: old, to: new, protects: [old.protects([]), new.protects([])]).traffic
    }

    @Test func aRenameOrAnOrderWithoutEffectChangesNoTraffic() throws {
        #expect(try difference(Self.rules, Self.rules.replacing("name: https", with: "name: web-https")).isEmpty)
        let lines = Self.rules.split(separator: "\n")
        let turned = ([lines[0]] + lines[1...].reversed()).joined(separator: "\n") + "\n"
        #expect(try difference(Self.rules, turned).isEmpty)
    }

    /// What the traffic that changes is told of: `accept to drop`.
    private func kinds(_ old: String, _ new: String) throws -> Set<String> {
        let start = "rules:\n"
        return Set(try difference(start + old, start + new).map { "\($0.old) to \($0.new)" })
    }

    private static let first = "  - { name: first, to: web, service: tcp/80, action: accept, "
    private static func first(named name: String) -> String { first.replacing("first", with: name) }
    private static let second = "  - { name: second, to: web, service: tcp/80, action: drop, "

    /// The rule before may leave packets to the one that goes, whatever the other conditions are.
    @Test(arguments: [
        ("limit: { rate: 1/s } }", "limit: { rate: 2/s } }"),
        ("match: { tcpFlags: S/SAFR } }", "match: { hopLimit: 1-64 } }"),
        ("via: host }", "limit: { rate: 1/s } }"),
        ("via: uplink }", "via: [web-1, uplink] }"),
        ("match: { dscp: ef } }", "starts: \"2030-01-01T00:00:00Z\" }"),
    ])
    func aRuleBehindAnotherThatMayMatchIsMissed(one: String, two: String) throws {
        let last = "  - { name: last, to: web, action: accept }\n"
        let old = "\(Self.first)\(one)\n\(Self.second)\(two)\n"
        #expect(try kinds(old + last, "\(Self.first)\(one)\n" + last) == ["drop to accept"])
    }

    /// Where the rule before matches, this one cannot.
    @Test(arguments: [
        ("match: { tcpFlags: S/SA } }", "match: { tcpFlags: S/SAFR } }"),
        ("match: { hopLimit: 1-64 } }", "match: { hopLimit: 64 } }"),
        ("via: [web-1, uplink] }", "via: uplink }"),
        ("expires: \"2031-01-01T00:00:00Z\" }", "expires: \"2030-01-01T00:00:00Z\" }"),
    ])
    func aRuleBehindOneThatMatchesWheneverItDoesIsNotMissed(one: String, two: String) throws {
        let old = "\(Self.first)\(one)\n\(Self.second)\(two)\n"
        #expect(try kinds(old, "\(Self.first)\(one)\n").isEmpty)
    }

    @Test(arguments: [
        ("via: uplink }", "via: web-1 }"), ("via: uplink }", "via: [uplink, host] }"),
        ("match: { length: 0-128 } }", "match: { length: 0-256 } }"),
    ])
    func anotherOriginOrFieldIsAChangeOfTraffic(old: String, new: String) throws {
        let kinds = try kinds("\(Self.first)\(old)\n", "\(Self.first)\(new)\n")
        #expect(kinds.contains("drop to accept"))
        #expect(try self.kinds("\(Self.first)\(old)\n", "\(Self.first)\(old)\n").isEmpty)
    }

    /// Before the time one of the two matches, and after it the other: no packet comes to a third.
    @Test func twoRulesThatTakeTurnsLeaveNothing() throws {
        let time = "\"2030-01-01T00:00:00Z\" }\n"
        let turns =
            "  - { name: first, to: web, action: accept, expires: \(time)"
            + "  - { name: second, to: web, action: accept, starts: \(time)"
        #expect(try kinds(turns, turns + "  - { name: third, to: web, action: reject }\n").isEmpty)
    }

    /// A packet has one value of each field. So what two matches do not leave, or what two have in common, may be all
    /// that a third one asks for.
    @Test(arguments: [
        ["hopLimit: 0-100", "hopLimit: 101-255", "dscp: ef"],
        ["length: 0-99", "length: 100-65535", "length: 40-60"],
        ["tcpFlags: S/S", "tcpFlags: /S", "hopLimit: 1"],
        ["tcpFlags: S/SA", "tcpFlags: A/SA", "tcpFlags: SA/SA", "tcpFlags: /SA", "length: 0-60"],
        ["dscp: [1, 2]", "dscp: [2, 3]", "dscp: [1, 2, 3]"],
    ])
    func aRuleBehindThoseThatTakeEveryValueIsNotMissed(matches: [String]) throws {
        let rules = matches.enumerated().map { "\(Self.first(named: "r\($0)"))match: { \($1) } }\n" }
        let without = rules.dropLast().joined()
        #expect(try kinds(rules.joined(), without).isEmpty)
        #expect(try kinds(rules.joined(), rules[0]) == ["accept to drop"])
    }

    @Test func whatTwoMatchesHaveInCommonIsOneMatch() throws {
        func rule(_ name: String, _ action: String, _ length: String) -> String {
            "  - { name: \(name), to: web, direction: in, action: \(action), match: { length: \(length) } }\n"
        }
        let common = rule("common", "drop", "50-100")
        // What both match is dropped before: nothing that was accepted is rejected.
        #expect(
            try kinds(common + rule("low", "accept", "0-100"), common + rule("high", "reject", "50-200"))
                == ["accept to drop", "drop to reject"])
    }

    @Test func aLimitUnderAnotherNameChangesNoTraffic() throws {
        let old = "\(Self.first)limit: { rate: 1/s } }\n"
        #expect(try kinds(old, old.replacing("first", with: "other")).isEmpty)
    }

    @Test func aChangeIsToldInNames() throws {
        let changes = try difference(
            Self.rules, Self.rules.replacing("from: web, to: db", with: "from: [web, office], to: db"))
        #expect(Set(changes.map { "\($0.direction.rawValue) \($0.port)" }) == ["in uplink", "in db-1"])
        for change in changes {
            #expect(change.from == ["office"])
            #expect(change.to == ["db"])
            #expect(change.service == ["tcp/5432"])
            #expect(change.old == .drop && change.new == .accept)
            #expect(change.vlans == nil && change.family == nil)
        }
    }

    /// What a rule passes on to the next layer meets no other rule of its own.
    @Test func lintKnowsWhatIsPassedOn() throws {
        let text = """
            layers:
              - name: ours
                rules:
                  - { name: theirs, to: web, action: pass }
                  - { name: late-v4, to: 198.51.100.10, action: accept }
                  - { name: mail, service: tcp/25, action: drop }
                  - { name: both-v4, to: [web, "198.51.100.20"], service: tcp/25, action: drop }
              - name: rules
                rules:
                  - { name: https, to: web, service: https, action: accept }

            """
        let ruleset = try load(Self.ports + text)
        let found = Lint(ruleset, protects: ruleset.protects([])).diagnostics.filter { $0.severity == .warning }
        #expect(found.map(\.rule) == ["late-v4", "both-v4"])
        #expect(found.map { $0.finding?.code } == [.shadowed, .shadowed])
        #expect(found.map { $0.finding?.by ?? [] } == [["theirs"], ["theirs", "mail"]])
    }

    /// Where the limit passes a packet on, neither rule behind it is asked; elsewhere the first of them decides.
    @Test func whatMayBePassedOnComesToTheFirstRuleOnly() throws {
        let text = """
            layers:
              - name: ours
                rules:
                  - { name: theirs, to: web, service: tcp/80, action: pass, limit: { rate: 1/s } }
                  - { name: closed, to: web, service: tcp/80, action: drop }
                  - { name: open, to: web, service: tcp/80, action: accept }
            assertions:
              - { name: a, to: web, service: tcp/80, expect: drop }

            """
        let ruleset = try load(Self.ports + text)
        let found = Lint(ruleset, protects: ruleset.protects([])).diagnostics.filter { $0.severity == .warning }
        #expect(found.map(\.rule) == ["open", "open"])
        #expect(found.map { $0.finding?.by ?? [] } == [["closed"], ["closed"]])
        let proof = try #require(Prover(ruleset, protects: ruleset.protects([])).proofs().first)
        #expect(proof.diagnostic(ruleset)?.message == nil)
    }

    @Test func reachAnswersInNames() throws {
        let ruleset = try load(Self.ports + Self.rules)
        let db = try #require(ruleset.groups.first { $0.name == "db" }).set
        let question = Reach.Question(from: nil, to: db, services: nil)
        let reach = Reach(question, ruleset, protects: ruleset.protects([]))
        #expect(!reach.isPartial)
        #expect(reach.rows.map(\.from) == [["web"]])
        #expect(reach.rows.map(\.to) == [["db"]])
        #expect(reach.rows.map(\.service) == [["tcp/5432"]])
        #expect(reach.rows.map(\.rules) == [["db", "db"]])
        #expect(reach.rows.map(\.ports) == [["web-1, web-2", "db-1"]])
    }

    @Test func lintKnowsWhatNeedsSeveralRules() throws {
        let text = """
            rules:
              - { name: low, service: tcp/1-100, action: accept }
              - { name: high, service: tcp/101-200, action: accept }
              - { name: both, from: office, service: tcp/50-150, action: drop }
              - { name: syslog, service: udp/514, action: accept }
              - { name: all, action: accept }
              - { name: web-v4, to: 198.51.100.10, service: udp/1, action: accept }

            """
        let ruleset = try load(Self.ports + text)
        let lint = Lint(ruleset, protects: ruleset.protects([]))
        func by(_ code: Finding.Code) -> [String?: [String]] {
            Dictionary(
                lint.diagnostics.filter { $0.finding?.code == code }.map { ($0.rule, $0.finding?.by ?? []) }
            ) { first, _ in first }
        }
        #expect(by(.shadowed) == ["both": ["low", "high"], "web-v4": ["all"]])
        #expect(by(.contradicts) == ["both": ["low", "high"]])
        #expect(by(.redundant).keys.contains("syslog"))
        #expect(by(.openToAll).keys.contains("all"))
        #expect(by(.noV6Twin).keys.contains("web-v4"))
    }
}
