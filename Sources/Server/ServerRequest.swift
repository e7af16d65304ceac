// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

/// What a client asks for.
package struct ServerRequest: Sendable, Hashable {
    package enum Method: Sendable, Hashable {
        case get
        case head
        case other
    }

    package var method: Method
    /// Without the query.
    package var path: String
    /// The values of `Accept`.
    package var accept: [String]

    package init(method: Method = .get, path: String, accept: [String] = []) {
        self.method = method
        self.path = path
        self.accept = accept
    }

    init(_ head: HTTPRequestHead) {
        switch head.method {
        case .GET: method = .get
        case .HEAD: method = .head
        default: method = .other
        }
        path = String(head.uri.prefix { $0 != "?" })
        accept = head.headers[canonicalForm: "accept"].map(String.init)
    }
}

/// What a client gets.
package struct ServerAnswer: Sendable {
    package var status: Int
    package var type: String
    package var body: ServerBody
    /// Further header fields.
    package var fields: [(name: String, value: String)] = []

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
