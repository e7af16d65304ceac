// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Inventory

/// Answers of a server, right and wrong, as bytes.
@Suite struct HTTPAnswerTests {
    private static func ask(_ answer: String, limit: Int = 1000) throws -> (status: Int, body: String) {
        let server = try ScriptedServer(["/": answer])
        var found = try HTTPAnswer(to: "/x", at: server.path)
        let end = ContinuousClock.now + .seconds(5)
        _ = try found.readHead(until: end)
        let body = try found.all(limit: limit, until: end)
        return (found.status, String(decoding: body, as: UTF8.self))
    }

    private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcde", 200, "abc"),
        ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, ""),
        ("HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc"), ("HTTP/1.1 200 OK\nContent-Length: 1\n\nabc", 200, "a"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 404, "{}"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""), (chunked + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, "abcde"),
        (chunked + "0A\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789"), (chunked + "0\r\n", 200, ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, "a"),
    ])
    func isRead(answer: String, status: Int, body: String) throws {
        let found = try Self.ask(answer)
        #expect(found.status == status)
        #expect(found.body == body)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "closed the connection amid"),
        ("HTTP/1.1 200 OK\r\nContent-Len", "closed the connection amid"), ("", "closed the connection amid"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"), ("HTTP/1.1 2000 OK\r\n\r\n", "does not speak HTTP"),
        ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", "does not speak HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length of the answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "length of the answer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "an encoding that was not asked for"),
        (chunked + "3\r\nab", "closed the connection amid"), (chunked + "3\r\nabcd\r\n", "longer than it says"),
        (chunked + "-1\r\n", "size of a chunk"), (chunked + "zz\r\n", "size of a chunk"),
        (chunked + "\r\n", "size of a chunk"), (chunked + "fffffffff\r\n", "size of a chunk"),
        (chunked + "7d1\r\n" + String(repeating: "a", count: 2001) + "\r\n0\r\n\r\n", "more than 1000 bytes"),
        ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 2000), "more than 1000 bytes"),
        ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 200_000), "has no end"),
        (chunked + String(repeating: "1", count: 100_000), "has no end"),
    ])
    func isRefused(answer: String, words: String) throws {
        let error = #expect(throws: EngineError.self) { try Self.ask(answer) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func aServerThatIsNotThereIsTold() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let error = #expect(throws: EngineError.self) {
            _ = try HTTPAnswer(to: "/", at: "\(folder)/none")
        }
        #expect(error?.description.contains("No such file") == true)
    }
}
