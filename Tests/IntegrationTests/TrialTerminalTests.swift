// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// `apply --trial` on a terminal, which waits for an answer: root's, and through the agent an operator's.
    @Suite(.serialized) struct TrialTerminalTests {
        private static func rule(_ port: UInt16) -> String {
            "  - { name: r\(port), service: tcp/\(port), action: accept }"
        }

        /// How somebody at a terminal settles a trial of generation 2, whose base is generation 1.
        enum Answer: String, CaseIterable {
            case enter = "Enter"
            case interrupt = "C-c"
            case kill
            /// Somebody else keeps it meanwhile.
            case confirm

            var keeps: Bool { self == .enter || self == .confirm }

            var words: String {
                switch self {
                case .enter: "generation 2 is in force, and stays"
                case .confirm: "generation 2 was confirmed meanwhile, and stays"
                case .interrupt, .kill: "generation 1 is in force again"
                }
            }
        }

        /// Has a terminal wait for a trial's end, and answers.
        ///
        /// - Parameter command: Tries the second of two policies that accept port 80, and port 81.
        private static func answer(_ answer: Answer, _ site: UplinkSite, _ command: [String]) throws {
            let listeners = try [80, 81].map { try IPSocket.bound(site.host, .tcp, UplinkSite.v4.host, $0) }
            func opens(_ port: UInt16) -> Bool { site.network.connects(to: UplinkSite.v4.host, port) }
            defer { withExtendedLifetime(listeners) {} }
            let screen = try TerminalScreen(site.lab, columns: 100, rows: 20, command)
            #expect(try poll(seconds: 20) { try screen.text().contains("s left: Enter keeps it") })
            #expect(opens(81) && !opens(80))
            switch answer {
            case .enter, .interrupt: try screen.press(answer.rawValue)
            case .confirm: #expect(try site.bulkhead.run("confirm").status == 0)
            case .kill:
                try killWaiting(site.bulkhead.instance)
                #expect(opens(81))
                try site.bulkhead.letTrialEnd()
            }
            var text = ""
            let hasEnded = try poll(seconds: 10) {
                text = try screen.text()
                return text.contains("[ended with")
            }
            #expect(hasEnded, "\(text)")
            if answer != .kill {
                #expect(text.contains(answer.keeps ? "[ended with 0]" : "[ended with 1]"), "\(text)")
                #expect(text.contains(answer.words), "\(text)")
            }
            #expect(opens(answer.keeps ? 81 : 80))
            #expect(try site.bulkhead.status().generation == (answer.keeps ? 2 : 1))
        }

        private static func killWaiting(_ instance: String) throws {
            let found = try Shell.check("pgrep", "-f", "apply --trial 1h .*\(instance)")
            for id in found.split(separator: "\n").compactMap({ Int32($0) }) {
                let line = (try? String(contentsOfFile: "/proc/\(id)/cmdline", encoding: .utf8)) ?? ""
                if line.hasPrefix(Bulkhead.executable) { kill(id, SIGKILL) }
            }
        }

        @Test(arguments: Answer.allCases) func itWaits(_ answer: Answer) throws {
            let site = try UplinkSite()
            try site.bulkhead.apply(try site.policy(Self.rule(80)))
            let next = try site.policy(Self.rule(81), name: "next.yaml")
            try Self.answer(answer, site, site.bulkhead.command(["apply", "--trial", "1h", next]))
        }

        /// What is answered is noted as the operator's change.
        @Test(arguments: Answer.allCases) func itWaitsForAnOperator(_ answer: Answer) throws {
            let site = try ControlSite(Self.rule(80))
            let next = try site.site.policy(Self.rule(81), name: "next.yaml")
            try Shell.check("chmod", "-R", "a+rX", URL(filePath: next).deletingLastPathComponent().path)
            try Self.answer(answer, site.site, site.words(.op, ["apply", "--trial", "1h", next]))
            // root's own changes before that are noted where the folder is there already.
            let noted = try site.changes().drop { $0.uid == 0 }
                .map { "\($0.uid) \($0.through) \($0.change) \($0.object ?? "-")" }
            let tried = "5 agent apply --trial \(next)"
            switch answer {
            case .enter: #expect(noted == [tried, "5 agent confirm 2"])
            case .interrupt: #expect(noted == [tried, "5 agent rollback trial 2"])
            case .kill: #expect(noted == [tried])
            case .confirm: #expect(noted == [tried, "0 command confirm -"])
            }
        }

        @Test(arguments: [Answer.enter, .interrupt]) func rootsAnswerIsNoted(_ answer: Answer) throws {
            let site = try ControlSite(Self.rule(80))
            // The folder is there from here on, as the package has it.
            try #require(try site.run(.op, "release", "--all").status == 0)
            let next = try site.site.policy(Self.rule(81), name: "next.yaml")
            try Self.answer(answer, site.site, site.bulkhead.command(["apply", "--trial", "1h", next]))
            let noted = try site.changes().suffix(2)
            #expect(noted.allSatisfy { $0.uid == 0 && $0.through == "command" && $0.failure == nil })
            let settled = answer == .enter ? "confirm 2" : "rollback trial 2"
            #expect(noted.map { "\($0.change) \($0.object ?? "-")" } == ["apply --trial \(next)", settled])
        }

        /// Whoever answers late ends no trial of another's, and goes back to no earlier policy.
        @Test func aLateAnswerChangesNothing() throws {
            let site = try ControlSite(Self.rule(80))
            let next = try site.site.policy(Self.rule(81), name: "next.yaml")
            try site.bulkhead.apply(next)
            for trial in [1, 2] {
                let late = try site.curl(.op, "/v1/rollback?trial=\(trial)", "-X", "POST")
                #expect(late.status == 409 && late.text.contains("generation \(trial) is not on trial"), "\(late)")
            }
            let again = try site.site.policy(Self.rule(82), name: "again.yaml")
            try #require(try site.bulkhead.run("apply", "--trial", "1h", again).status == 0)
            #expect(try site.curl(.op, "/v1/rollback?trial=2", "-X", "POST").status == 409)
            #expect(try site.bulkhead.status().generation == 3)
            let mixed = try site.curl(.op, "/v1/rollback?trial=3&generation=1", "-X", "POST")
            #expect(mixed.status == 400, "\(mixed)")
            let ended = try site.curl(.op, "/v1/rollback?trial=3", "-X", "POST")
            #expect(ended.status == 200 && ended.text.contains("\"confirmed\": false"), "\(ended)")
            #expect(try site.bulkhead.status().generation == 2)
        }
    }
}
