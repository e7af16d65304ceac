// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A server on a Unix socket that answers each question with bytes that a test wrote, and closes the connection.
final class ScriptedServer: Sendable {
    private final class Script: Sendable {
        let answers: Mutex<[String: [UInt8]]>
        let asked = Mutex<[String]>([])

        init(_ answers: [String: [UInt8]]) { self.answers = Mutex(answers) }

        /// The longest beginning of the question's target that there is an answer for.
        func answer(_ target: String) -> [UInt8] {
            asked.withLock { $0.append(target) }
            let found = answers.withLock { answers in
                answers.filter { target.hasPrefix($0.key) }.max { $0.key.count < $1.key.count }?.value
            }
            return found ?? Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".utf8)
        }
    }

    let folder: String
    var path: String { "\(folder)/engine.sock" }
    private let descriptor: Int32
    private let script: Script

    init(_ answers: [String: String]) throws {
        script = Script(answers.mapValues { Array($0.utf8) })
        folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-\(UUID())").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("\(folder)/engine.sock".utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, listen(descriptor, 64) == 0 else { throw POSIXError(.EADDRINUSE) }
        Thread.detachNewThread { [descriptor, script] in Self.serve(descriptor, script) }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        try? FileManager.default.removeItem(atPath: folder)
    }

    func answer(_ target: String, with text: String) {
        script.answers.withLock { $0[target] = Array(text.utf8) }
    }

    var asked: [String] { script.asked.withLock { $0 } }

    /// An answer with a head that is right.
    static func ok(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func serve(_ listener: Int32, _ script: Script) {
        defer { close(listener) }
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            // A client that reads its answer later must not keep others from theirs.
            Thread.detachNewThread { answer(connection, script) }
        }
    }

    private static func answer(_ connection: Int32, _ script: Script) {
        var question: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: question, as: UTF8.self).contains("\r\n\r\n") {
            let count = unsafe recv(connection, &bytes, bytes.count, 0)
            guard count > 0 else { break }
            question += bytes[..<count]
        }
        let words = String(decoding: question, as: UTF8.self).split(separator: " ")
        var answer = script.answer(words.count > 1 ? String(words[1]) : "")[...]
        while !answer.isEmpty {
            let count = unsafe answer.withUnsafeBytes { bytes in
                unsafe send(connection, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            answer = answer.dropFirst(count)
        }
        close(connection)
    }
}
