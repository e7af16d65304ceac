// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A command in a terminal of a given size: in tmux, on a server of its own, which goes with this value.
final class TerminalScreen: Sendable {
    private let tmux: [String]

    /// - Parameter command: Words without quotes.
    init(_ lab: Lab, columns: Int, rows: Int, _ command: [String]) throws {
        let settings = try lab.file("tmux.conf", "set -g status off\nset -g default-terminal screen\n")
        tmux = ["env", "-u", "TMUX", "tmux", "-L", "\(lab.id)-\(columns)", "-f", settings]
        // The shell outlives the command, and says how it ended; tmux itself would scroll to say it.
        let words = command.map { "'\($0)'" }.joined(separator: " ")
        let script = "trap : INT; \(words); echo \"[ended with $?]\"; while :; do sleep 60; done"
        try run(["new-session", "-d", "-x", "\(columns)", "-y", "\(rows)", script])
    }

    deinit { _ = try? Shell.run(tmux + ["kill-server"]) }

    @discardableResult
    private func run(_ words: [String]) throws -> String {
        let result = try Shell.run(tmux + words)
        try #require(result.status == 0, "tmux: \(result.errors)")
        return result.output
    }

    /// What the terminal shows: its lines without trailing spaces, and without the empty ones below.
    func text() throws -> String {
        let output = try run(["capture-pane", "-p"])
        var lines = output.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(line.reversed().drop { $0 == " " }.reversed())
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { $0 + "\n" }.joined()
    }

    /// What it shows once the command has ended with 0.
    func textAtEnd(_ sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        var text = ""
        let end = "[ended with 0]\n"
        let hasEnded = try poll(seconds: 20) {
            text = try self.text()
            return text.hasSuffix(end)
        }
        #expect(hasEnded, "\(text)", sourceLocation: sourceLocation)
        return String(text.dropLast(end.count))
    }

    func resize(columns: Int) throws { try run(["resize-window", "-x", "\(columns)"]) }

    /// Types characters as they are.
    func type(_ text: String) throws { try run(["send-keys", "-l", text]) }

    /// Sends a key, such as `C-c`.
    func press(_ key: String) throws { try run(["send-keys", key]) }
}

/// What a terminal must show, in `Transcripts/`. With `RECORD_TRANSCRIPTS=1` in the environment the files are written
/// instead of compared; read them before committing.
enum Transcript {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Transcripts")

    static func compare(
        _ text: String, with name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let file = folder.appending(path: "\(name).txt")
        if ProcessInfo.processInfo.environment["RECORD_TRANSCRIPTS"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let expected = try String(contentsOf: file, encoding: .utf8)
        #expect(text == expected, "\(name) shows:\n\(text)", sourceLocation: sourceLocation)
    }
}
