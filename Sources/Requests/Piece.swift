// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Rendering

/// How an answer is to look.
package struct Presentation: Sendable, Hashable {
    package var isJSON: Bool
    package var isColoured: Bool
    /// Whether a person reads it at once.
    package var isTerminal: Bool
    /// The most characters of a line of a table; nil: as many as it takes.
    package var width: Int?
    /// The most lines of a page that is shown over and over; nil: as many as it takes.
    package var height: Int?

    package init(
        isJSON: Bool, isColoured: Bool = false, isTerminal: Bool = false, width: Int? = nil, height: Int? = nil
    ) {
        self.isJSON = isJSON
        self.isColoured = isColoured
        self.isTerminal = isTerminal
        self.width = width
        self.height = height
    }

    package var palette: Palette { Palette(isColoured: isColoured) }
}

/// A part of what a command says.
package enum Piece: Sendable, Hashable {
    /// For standard output, as it is.
    case output(String)
    /// A line for standard error.
    case notice(Words)
    /// The answer was given, and the command ends with another status than 0.
    case status(Int32)
    /// Nothing more comes, because of this.
    case failure(Words)
    /// The trial of this generation has begun: a command may wait for its end.
    case trial(UInt32)
}

extension Piece {
    /// The kind of content that has one of ``line`` per piece: what a command needs to say what it would say itself.
    package static let contentType = "application/vnd.bulkhead.command+json"

    /// As an object, on a line of its own.
    package var line: String {
        let value: JSON =
            switch self {
            case .output(let text): ["output": .string(text)]
            case .notice(let words): ["notice": .string(words.text)]
            case .status(let status): ["status": JSON(Int64(status))]
            case .failure(let words): ["failure": .string(words.text)]
            case .trial(let generation): ["trial": JSON(generation)]
            }
        return "\(value)\n"
    }

    private struct Line: Decodable {
        var output: String?
        var notice: String?
        var status: Int32?
        var failure: String?
        var trial: UInt32?
    }

    /// - Parameter line: From root's agent, who has made it safe for a terminal.
    /// - Returns: nil if it is no such line.
    package init?(line: [UInt8]) {
        guard let read = try? JSONDecoder().decode(Line.self, from: Data(line)) else { return nil }
        if let text = read.output {
            self = .output(text)
        } else if let text = read.notice {
            self = .notice(Words(verbatim: text))
        } else if let status = read.status {
            self = .status(status)
        } else if let text = read.failure {
            self = .failure(Words(verbatim: text))
        } else if let generation = read.trial {
            self = .trial(generation)
        } else {
            return nil
        }
    }
}
