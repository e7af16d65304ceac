// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// What conditions cost a packet that no rule with a condition matches: the same rules, with such rules of other
/// services among them and without.
struct Conditions: Section {
    static let name = "conditions"

    let settings: Settings
    let lab: Lab

    func run(_ report: inout Report) throws {
        settings.say("conditions: rules that are not asked")
        try report.compare(
            "Rules with conditions that are not asked, by test runs", rounds: settings.rounds,
            [("without", try TestRuns()), ("with", try TestRuns(andRules: Self.conditions))])
    }

    private static let conditions = """
          - { name: limited, service: tcp/22, action: accept, limit: { rate: 10/s, per: source } }
          - { name: bytes, service: tcp/23, action: accept, limit: { rate: 10MB/s } }
          - { name: counted, service: tcp/25, action: accept, connections: { max: 20, per: source } }
          - { name: bait, service: tcp/24, action: drop, add: { group: banned } }
          - { name: banned, from: banned, service: tcp/26, action: drop }
          - { name: logged, service: tcp/27, action: log }
          - { name: fields, service: tcp/28, action: accept, match: { tcpFlags: S/SAFR, dscp: ef } }
          - { name: later, service: tcp/29, action: accept, starts: 2020-01-01T00:00:00Z }
          - { name: evenings, service: tcp/30, action: accept, times: { from: "18:00", to: "22:00" } }

        """
}
