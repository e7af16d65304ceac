// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

/// What a client asks for.
package struct ServerRequest: Sendable, Hashable {
    package enum Method: String, Sendable, Hashable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case delete = "DELETE"
        case other

        /// Whether it changes nothing.
        package var isReading: Bool { self == .get || self == .head }
    }

    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package var method: Method
    /// Without the query, as it was sent.
    package var path: String
    /// What stands behind the path; nil: it cannot be read.
    package var query: [Parameter]?
    /// The values of `Accept`.
    package var accept: [String]
    /// Who asks; nil: by TCP anybody may.
    package var peer: Peer?
    package var body: [UInt8] = []

    package init(
        method: Method = .get, path: String, query: [Parameter]? = [], accept: [String] = [], peer: Peer? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.accept = accept
        self.peer = peer
    }

    init(_ head: HTTPRequestHead, _ peer: Peer?) {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            method: Method(rawValue: head.method.rawValue) ?? .other, path: String(parts.first ?? ""),
            query: parts.count > 1 ? Self.parameters(parts[1]) : [],
            accept: head.headers[canonicalForm: "accept"].map(String.init), peer: peer)
    }

    /// `a=b&c=d`; nil if something in it is no text.
    static func parameters(_ query: Substring) -> [Parameter]? {
        var parameters: [Parameter] = []
        for part in query.split(separator: "&") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(sides[0]), let value = decoded(sides.count > 1 ? sides[1] : "") else { return nil }
            parameters.append(Parameter(name, value))
        }
        return parameters
    }

    /// Text whose bytes may be written as `%41`; nil if it is none.
    package static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16), value != 0
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// What becomes of a request, decided by its head.
package enum ServerAdmission: Sendable {
    /// It may have a body of so many bytes.
    case granted(bodyBytes: Int)
    case refused(ServerAnswer)
}

/// What a client gets.
package struct ServerAnswer: Sendable {
    package var status: Int
    package var type: String
    package var body: ServerBody
    /// Further header fields.
    package var fields: [(name: String, value: String)] = []
    /// What writes on behind the body, on a thread of its own, until it returns; nil: the body is all.
    package var stream: (@Sendable (ServerStream) -> Void)?

    package init(status: Int = 200, type: String, body: ServerBody) {
        self.status = status
        self.type = type
        self.body = body
    }

    /// A line for people.
    package static func line(_ status: Int, _ text: String) -> ServerAnswer {
        ServerAnswer(status: status, type: "text/plain; charset=utf-8", body: ServerBody(text + "\n"))
    }

    /// For what changes nothing, whatever the method asks for.
    package static var readOnly: ServerAnswer {
        var answer = line(405, "only GET and HEAD are answered here")
        answer.fields = [("Allow", "GET, HEAD")]
        return answer
    }
}

/// The bytes of an answer. Copies share them, so that many clients may get a long one.
package struct ServerBody: Sendable {
    let buffer: ByteBuffer

    package init(_ text: String) { buffer = ByteBuffer(string: text) }

    package var count: Int { buffer.readableBytes }
}
