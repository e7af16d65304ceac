// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Glibc
import Rendering
import SystemPackage

/// Reads an answer of the agent: a head, then lines until the connection ends.
struct ControlAnswer {
    private let socket: FileDescriptor
    private var buffer: [UInt8] = []
    /// Where in ``buffer`` the next line starts, and how far no end of it was found.
    private var start = 0
    private var searched = 0
    private var left: Int?

    /// The longest line: a policy's text is one.
    private static let limit = 1 << 28

    init(_ socket: FileDescriptor) { self.socket = socket }

    /// - Returns: the status of HTTP.
    mutating func readHead(until isEnded: () -> Bool = { false }) throws -> Int {
        guard let first = try line(until: isEnded) else {
            throw Refusal("the agent has closed the connection", advice: "see its log: journalctl -u bulkhead-agent")
        }
        let words = String(decoding: first, as: UTF8.self).split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw ControlSocket.strange
        }
        while let field = try line(until: isEnded), field != [], field != [UInt8(ascii: "\r")] {
            let sides = String(decoding: field, as: UTF8.self).split(separator: ":", maxSplits: 1)
            guard sides.count == 2, sides[0].lowercased() == "content-length" else { continue }
            let digits = sides[1].filter(\.isNumber)
            left = Int(digits)
        }
        // What was announced is told from what was cut.
        if let announced = left { left = announced - (buffer.count - start) }
        return status
    }

    /// The next line without its end; nil: there is none.
    mutating func line(until isEnded: () -> Bool) throws -> [UInt8]? {
        while true {
            if let end = buffer[max(start, searched)...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { (start, searched) = (end + 1, end + 1) }
                return Array(buffer[start..<end])
            }
            searched = buffer.count
            guard buffer.count - start <= Self.limit else { throw ControlSocket.strange }
            guard try more(until: isEnded) else { return nil }
        }
    }

    /// Reads what there is.
    ///
    /// - Returns: false at the end.
    private mutating func more(until isEnded: () -> Bool) throws -> Bool {
        buffer.removeFirst(start)
        searched -= start
        start = 0
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        while !isEnded() {
            var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            // A signal ends the wait; one that came just before it is seen soon.
            let found = unsafe poll(&ready, 1, 200)
            guard found > 0 else { continue }
            let count = unsafe read(socket.rawValue, &bytes, bytes.count)
            if count > 0 {
                buffer += bytes.prefix(count)
                if let before = left { left = before - count }
                return true
            }
            if count == 0, left ?? 0 <= 0, buffer.isEmpty { return false }
            throw Refusal(
                "the answer of the agent was cut short", advice: "see its log: journalctl -u bulkhead-agent")
        }
        return false
    }

    private struct Told: Decodable {
        var message: String
        var advice: String?
        var notices: [String]?
    }

    /// What the agent says of a request that it refuses.
    static func refusal(_ line: [UInt8], _ status: Int) -> RefusedRequest {
        guard let told = try? JSONDecoder().decode(Told.self, from: Data(line)) else {
            let text = String(decoding: line.prefix(300), as: UTF8.self)
            return RefusedRequest(
                notices: [], refusal: Refusal("the agent refuses this (status \(status)): \(text)"))
        }
        return RefusedRequest(
            notices: (told.notices ?? []).map { Words(verbatim: $0) },
            refusal: Refusal(told.message, advice: told.advice))
    }
}

/// Why the agent refuses a request, and what is to be said before that.
package struct RefusedRequest: Error {
    package let notices: [Words]
    package let refusal: Refusal
}
