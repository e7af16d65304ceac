// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// A container engine that is none: it serves what a file says of containers, over a Unix socket, in the form of
/// Docker's HTTP API.
final class FakeEngine {
    /// A container, and the namespace that it is in.
    struct Container {
        var id: String
        var name: String
        var labels: [String: String] = [:]
        var namespace: Namespace
        var mac: String
        var address: String

        fileprivate var json: [String: Any] {
            [
                "Id": id, "Name": "/" + name, "State": ["Running": true, "Pid": 1], "Config": ["Labels": labels],
                "HostConfig": ["NetworkMode": "bridge"],
                "NetworkSettings": [
                    "SandboxKey": namespace.path,
                    "Networks": ["net": ["NetworkID": "1", "MacAddress": mac, "IPAddress": address]],
                ],
            ]
        }
    }

    let socket: String
    private let lab: Lab
    private let state: String
    private let events: String
    private var server: Command?

    init(_ lab: Lab, _ containers: [Container]) throws {
        self.lab = lab
        state = try lab.file("containers.json", "{}")
        events = try lab.file("events", "")
        socket = state + ".sock"
        try set(containers)
        try start()
    }

    deinit { stop() }

    /// Has other containers from now on, without an event.
    func set(_ containers: [Container]) throws {
        let all = Dictionary(uniqueKeysWithValues: containers.map { ($0.id, $0.json) })
        let data = try JSONSerialization.data(withJSONObject: all)
        try data.write(to: URL(filePath: state), options: .atomic)
    }

    /// Has other containers, and says what happened to one of them.
    func set(_ containers: [Container], event: String, of id: String) throws {
        try set(containers)
        try tell(#"{"Type": "container", "Action": "\#(event)", "Actor": {"ID": "\#(id)"}}"#)
    }

    /// A line of the stream of events. It is kept with its time: whoever asks for events since then gets it too, as
    /// from a real engine, however late the stream begins.
    func tell(_ line: String) throws {
        let file = try FileHandle(forWritingTo: URL(filePath: events))
        try file.seekToEnd()
        try file.write(contentsOf: Data("\(Int(Date().timeIntervalSince1970)) \(line)\n".utf8))
        try file.close()
    }

    func start() throws {
        try? FileManager.default.removeItem(atPath: socket)
        let script = try lab.file("engine.py", FakeEngine.script)
        let command = try Command(["python3", script, socket, state, events])
        server = command
        _ = poll(seconds: 10) { FileManager.default.fileExists(atPath: socket) }
    }

    func stop() {
        server?.signal(SIGKILL)
        _ = try? server?.wait(seconds: 10)
        server = nil
    }

    private static let script = #"""
        import json, socketserver, sys, time
        path, state, events = sys.argv[1:]

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                target = self.rfile.readline().split()[1].decode()
                while self.rfile.readline().strip():
                    pass
                if target.startswith("/events"):
                    return self.stream(int(target.split("since=")[1].split("&")[0]))
                with open(state) as file:
                    containers = json.load(file)
                part = target.split("/")
                if target == "/containers/json":
                    self.answer(200, [{"Id": id} for id in containers])
                elif part[1] == "containers" and part[2] in containers:
                    self.answer(200, containers[part[2]])
                else:
                    self.answer(404, {"message": "no such thing"})

            def answer(self, code, value):
                body = json.dumps(value).encode()
                self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)

            def stream(self, since):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                with open(events, "rb") as file:
                    rest = b""
                    while True:
                        *lines, rest = (rest + file.read()).split(b"\n")
                        known = [line.split(b" ", 1) for line in lines]
                        bytes = b"".join(text + b"\n" for time_of, text in known if int(time_of) >= since)
                        if bytes:
                            self.wfile.write(b"%x\r\n" % len(bytes) + bytes + b"\r\n")
                        time.sleep(0.01)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        Server(path, Handler).serve_forever()
        """#
}
