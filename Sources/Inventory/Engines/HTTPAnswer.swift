// SPDX-License-Identifier: Apache-2.0

/// The answer to one question by HTTP/1.1 over a Unix socket. Whatever the server sends, it takes bounded memory.
struct HTTPAnswer: ~Copyable {
    /// How the end of the body is known.
    private enum Rest: Equatable {
        case bytes(Int)
        /// Bytes that are left of the chunk; nil: the size of the next is to be read.
        case chunks(Int?)
        case untilClosed
        case ended
    }

    private static let mostOfHead = 65536
    private static let mostOfLine = 8192

    private let socket: TrustedSocket
    private var buffer: [UInt8] = []
    private var start = 0
    private var rest = Rest.untilClosed
    private(set) var status = 0

    /// Asks. The answer is read later.
    init(to target: String, at path: String) throws(EngineError) {
        let socket = try TrustedSocket.connected(to: path)
        try socket.send(
            "GET \(target) HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bulkhead\r\nAccept: application/json\r\n"
                + "Connection: close\r\n\r\n")
        self.socket = socket
    }

    // MARK: Bytes

    private var isEmpty: Bool { start == buffer.count }

    /// false: nothing came in time.
    private mutating func fill(until end: ContinuousClock.Instant) throws(EngineError) -> Bool {
        guard let bytes = try socket.receive(until: end) else { return false }
        guard !bytes.isEmpty else { throw EngineError("the server closed the connection amid its answer") }
        if start > 0 { buffer.removeFirst(start) }
        start = 0
        buffer += bytes
        return true
    }

    /// A line without its end; nil: it did not come in time, and what came of it is kept.
    private mutating func line(until end: ContinuousClock.Instant) throws(EngineError) -> String? {
        while true {
            if let newline = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
                let bytes = buffer[start..<newline]
                start = newline + 1
                return String(decoding: bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes, as: UTF8.self)
            }
            guard buffer.count - start <= HTTPAnswer.mostOfLine else {
                throw EngineError("a line of the answer has no end")
            }
            guard try fill(until: end) else { return nil }
        }
    }

    // MARK: Head

    /// Reads the head. Returns whether it came in time.
    mutating func readHead(until end: ContinuousClock.Instant) throws(EngineError) -> Bool {
        // Below 200, another answer comes after it.
        while status < 200 {
            // A head is short: it waits whole in the buffer, so that one that comes later can be asked for again.
            while !hasHead {
                guard buffer.count - start <= HTTPAnswer.mostOfHead else {
                    throw EngineError("the head of the answer has no end")
                }
                guard try fill(until: end) else { return false }
            }
            guard let first = try line(until: end), let code = HTTPAnswer.code(first) else {
                throw EngineError("the server does not speak HTTP")
            }
            while let field = try line(until: end), !field.isEmpty { try take(field) }
            status = code
            if code == 204 || code == 304 { rest = .ended }
        }
        return true
    }

    private var hasHead: Bool {
        var previous: UInt8 = 0
        for byte in buffer[start...] where byte != UInt8(ascii: "\r") {
            if byte == UInt8(ascii: "\n"), previous == byte { return true }
            previous = byte
        }
        return false
    }

    private static func code(_ line: String) -> Int? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", words[1].utf8.count == 3,
            let code = Int(words[1]), (100...599).contains(code)
        else { return nil }
        return code
    }

    private mutating func take(_ field: String) throws(EngineError) {
        guard let colon = field.firstIndex(of: ":") else { throw EngineError("the server does not speak HTTP") }
        let value = field[field.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        switch field[..<colon].lowercased() {
        case "content-length":
            guard rest != .chunks(nil) else { return }
            guard let count = Int(value), count >= 0 else { throw EngineError("the length of the answer is no number") }
            rest = count == 0 ? .ended : .bytes(count)
        case "transfer-encoding":
            guard value.lowercased() == "chunked" else {
                throw EngineError("the answer has an encoding that was not asked for")
            }
            rest = .chunks(nil)
        default: break
        }
    }

    // MARK: Body

    enum Part {
        case bytes([UInt8])
        case ended
        /// Nothing came in time.
        case quiet
    }

    /// The next part of the body.
    mutating func next(until end: ContinuousClock.Instant) throws(EngineError) -> Part {
        guard try readHead(until: end) else { return .quiet }
        switch rest {
        case .ended: return .ended
        case .untilClosed:
            if isEmpty {
                guard let bytes = try socket.receive(until: end) else { return .quiet }
                return bytes.isEmpty ? .ended : .bytes(bytes)
            }
            return .bytes(take(buffer.count - start))
        case .bytes(let count):
            if isEmpty, try !fill(until: end) { return .quiet }
            let bytes = take(min(count, buffer.count - start))
            rest = bytes.count == count ? .ended : .bytes(count - bytes.count)
            return .bytes(bytes)
        case .chunks(let left): return try nextOfChunk(left, until: end)
        }
    }

    private mutating func nextOfChunk(
        _ left: Int?, until end: ContinuousClock.Instant
    ) throws(EngineError) -> Part {
        guard let left else {
            guard let text = try line(until: end) else { return .quiet }
            let digits = text.prefix { $0 != ";" }.trimmingSuffix(" ")
            guard (1...8).contains(digits.utf8.count), digits.utf8.allSatisfy({ isHex($0) }),
                let size = Int(digits, radix: 16)
            else { throw EngineError("the size of a chunk is no number") }
            rest = size == 0 ? .ended : .chunks(size)
            return try next(until: end)
        }
        if left == 0 {
            // The end of line after a chunk.
            guard let text = try line(until: end) else { return .quiet }
            guard text.isEmpty else { throw EngineError("a chunk is longer than it says") }
            rest = .chunks(nil)
            return try next(until: end)
        }
        if isEmpty, try !fill(until: end) { return .quiet }
        let bytes = take(min(left, buffer.count - start))
        rest = .chunks(left - bytes.count)
        return .bytes(bytes)
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        return Array(buffer[start..<start + count])
    }

    private func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    /// The whole body.
    mutating func all(limit: Int, until end: ContinuousClock.Instant) throws(EngineError) -> [UInt8] {
        var result: [UInt8] = []
        while true {
            switch try next(until: end) {
            case .bytes(let bytes): result += bytes
            case .ended: return result
            case .quiet: throw EngineError("the server does not answer in time")
            }
            guard result.count <= limit else {
                throw EngineError("the answer has more than \(limit) bytes", ofOneGuest: true)
            }
        }
    }
}

extension Substring {
    fileprivate func trimmingSuffix(_ character: Character) -> Substring {
        var result = self
        while result.last == character { result.removeLast() }
        return result
    }
}
