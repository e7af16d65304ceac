// SPDX-License-Identifier: Apache-2.0
import Rendering

/// A page that is shown over and over: on a terminal in the place of the last one, else one below the other.
enum Screen {
    /// Whether the terminal can be told where to write.
    private static let canMove = StandardOutput.isTerminal && Environment["TERM"] != "dumb"

    /// What a page may have; nil: as much as it wants.
    static var size: (width: Int, height: Int)? { canMove ? StandardOutput.size : nil }

    /// - Parameter lines: No more and none longer than ``size`` says.
    static func show(_ lines: [Words]) throws {
        guard canMove else { return try StandardOutput.write(lines.map { $0 + "\n" }.joined() + "\n") }
        // Each line clears what is left of the one before it, so that nothing flickers. The last one ends without a new
        // line, which would scroll.
        let home: Words = "\u{1b}[H"
        let rest: Words = "\u{1b}[K"
        let below: Words = "\u{1b}[J"
        try StandardOutput.write(home + lines.map { $0 + rest }.joined(separator: "\n") + below)
    }

    /// Leaves the last page, and goes on below it.
    static func end() throws {
        if canMove { try StandardOutput.write("\n") }
    }
}
