// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// zsh and fish complete only for who sits before them, so they run in a terminal. Of bash see CompletionTests.
    @Suite(.serialized) struct ShellCompletionTests {
        enum Shells: String, CaseIterable, Sendable {
            case zsh, fish
        }

        /// The device with the strange name is never offered: a shell might run it.
        private static let policy = """
            version: 1
            ports:
              guests: { interface: [tap-one, tap-two], protects: workload, guard: off }
              lone: { interface: tap-lone, protects: workload, guard: off }
              evil: { interface: ["$(touch${IFS}run)"], protects: workload, guard: off }

            """

        private static func start(_ shell: Shells, _ lab: Lab, _ policy: String) throws -> TerminalScreen {
            let script = try Shell.check(Bulkhead.executable, "--generate-completion-script", shell.rawValue)
            let completion = try lab.file(shell == .zsh ? "_bulkhead" : "bulkhead.fish", script)
            let start: String
            switch shell {
            case .zsh:
                start = try lab.file(
                    "start",
                    "PS1='% '\nautoload -Uz compinit; compinit -u -D\n. \(completion) 2>/dev/null\n"
                        + "compdef _bulkhead bulkhead\n")
            case .fish: start = completion
            }
            let folder = URL(filePath: Bulkhead.executable).deletingLastPathComponent().path
            let path = "\(folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin")"
            let options = shell == .zsh ? ["-f"] : ["--no-config"]
            let screen = try TerminalScreen(
                lab, columns: 120, rows: 30, ["env", "PATH=\(path)", shell.rawValue] + options)
            try screen.type(". \(start); clear; echo read\"\"y")
            try screen.press("Enter")
            let isReady = try poll(seconds: 20) { try screen.text().hasPrefix("ready\n") }
            let shown = try screen.text()
            try #require(isReady, "\(shown)")
            return screen
        }

        @Test(arguments: Shells.allCases) func theNamesOfAPolicyAreOffered(shell: Shells) throws {
            let lab = try Lab()
            let policy = try lab.file("policy.yaml", Self.policy)
            let screen = try Self.start(shell, lab, policy)
            let cases: [(words: String, offered: [String])] = [
                ("gro", ["bulkhead group"]), ("drops --reason guard-m", ["bulkhead drops --reason guard-mac"]),
                ("replay trace.pcap --policy \(policy) --port lo", ["--port lone"]),
                // Both shells write out what the two names share.
                ("explain --policy \(policy) guests/", ["guests/tap-"]),
                (
                    "replay trace.pcap --policy \(policy) --port ",
                    ["evil", "guests", "guests/tap-one", "guests/tap-two", "lone", "tap-lone", "tap-one", "tap-two"]
                ),
            ]
            for (words, offered) in cases {
                try screen.type("bulkhead \(words)")
                try screen.press("Tab")
                var text = ""
                let isOffered = try poll(seconds: 20) {
                    text = try screen.text()
                    return offered.allSatisfy(text.contains)
                }
                #expect(isOffered, "\(words): \(text)")
                #expect(!text.contains("touch"))
                try screen.press("C-c")
                try screen.press("C-l")
                _ = try poll(seconds: 5) { try !screen.text().contains("bulkhead") }
            }
        }
    }
}
