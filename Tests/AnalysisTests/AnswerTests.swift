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
