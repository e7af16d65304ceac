// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What users of the host do to the agent through its control socket.
    @Suite(.serialized) struct ControlAttackTests {
        @Test func garbageIsAnsweredOrCut() throws {
            let site = try ControlSite()
            let result = try site.startPython(
                .reader,
                """
                for bad in [b"\\0" * 100, b"GARBAGE\\r\\n\\r\\n", b"GET / HTTP/9.9\\r\\n\\r\\n",
                            b"GET /v1/status HTTP/1.1\\r\\nContent-Length: -1\\r\\n\\r\\n",
                            b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", b"GET /" + b"a" * 100000,
                            b"GET / HTTP/1.1\\r\\nA: " + b"b" * 100000,
                            b"POST /v1/policy HTTP/1.1\\r\\nContent-Length: 1000000\\r\\n\\r\\n" + b"x" * 50000,
                            b"GET /v1/status HTTP/1.1\\r\\nContent-Length: 4\\r\\n"
                            b"Transfer-Encoding: chunked\\r\\n\\r\\n"
                            b"0\\r\\n\\r\\n" + get(b"/v1/policy"),
                            get(b"/v1/status") * 200, b""]:
                    s = client()
                    try:
                        s.sendall(bad)
                        s.shutdown(socket.SHUT_WR)
                    except OSError: pass
                    text = rest(s)
                    print(text[:12], text.count(b"HTTP/1.1 "))
                """
            ).wait(seconds: 60)
            #expect(result.status == 0 && result.lines.count == 11, "\(result)")
            // Nothing that stands behind a request is answered.
            #expect(result.lines.allSatisfy { $0.hasSuffix(" 1") || $0.hasSuffix(" 0") }, "\(result.output)")
            #expect(result.output.contains("HTTP/1.1 400") && result.output.contains("HTTP/1.1 431"))
            #expect(site.agent.isRunning)
            #expect(try site.curl(.reader, "/v1/status").status == 200)
        }

        /// One user holds as many places as one may have, and somebody in no group all that these have.
        @Test func aThousandConnectionsKeepNobodyOut() throws {
            let site = try ControlSite()
            let before = try site.residentKilobytes()
            let script = """
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                all = []
                for number in range(1000):
                    s = client()
                    try: s.sendall(b"GET /v1/st")
                    except OSError: pass
                    all.append(s)
                print("open", flush=True)
                time.sleep(2)
                """
            let crowd = try [ControlSite.User.reader, .stranger].map { try site.startPython($0, script) }
            let areOpen = poll(seconds: 30) { crowd.allSatisfy { $0.output.contains("open") } }
            #expect(areOpen, "\(crowd.map(\.errors))")
            for user in [ControlSite.User.op, nil] {
                #expect(try site.curl(user, "/v1/status").status == 200)
            }
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
            for command in crowd { #expect(try command.wait(seconds: 30).status == 0) }
            let after = try site.residentKilobytes()
            #expect(after - before < 16_384, "\(before) kB before, \(after) kB after")
            #expect(try site.curl(.reader, "/v1/status").status == 200)
        }

        /// A reader who takes nothing has the kernel's ring fill up. Nobody waits for him, and he is told what he lost.
        @Test func whoReadsDropsSlowlyIsToldWhatWasLost() throws {
            let site = try ControlSite()
            let slow = try site.startPython(
                .reader,
                """
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
                s = client()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                s.sendall(get(b"/v1/drops"))
                s.recv(1)
                print("began", flush=True)
                signal.sigwait([signal.SIGUSR1])
                s.settimeout(8)
                text = b""
                try:
                    while b'"lost"' not in text: text += s.recv(65536)
                except TimeoutError: pass
                print(b'"lost"' in text, flush=True)
                """)
            #expect(poll(seconds: 20) { slow.output.contains("began") }, "\(slow.errors)")
            let network = try PacketSocket(site.site.network, "net0")
            var sent = 0
            // Until the socket and the ring are full.
            let isFull = try poll(seconds: 60) {
                for number in 0..<2000 { try network.send(site.site.probe(to: 81, from: 20000 + UInt16(number))) }
                sent += 2000
                return try site.bulkhead.counters().events.lost > 0
            }
            try #require(isFull, "\(sent) packets")
            // Meanwhile all others go on.
            #expect(try site.curl(.op, "/v1/status").status == 200)
            try site.bulkhead.apply(try site.site.policy(ControlSite.rules, port: "maxFlows: 100"))
            let other = try site.bulkhead.drops("--count", "1")
            try network.send(site.site.probe(to: 82))
            #expect(try other.wait(seconds: 20).status == 0)
            try site.bulkhead.counters().expectExactAccounting()
            slow.signal(SIGUSR1)
            let result = try slow.wait(seconds: 60)
            #expect(result.output.contains("True"), "\(result)")
        }
    }
}

extension ControlSite {
    func residentKilobytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(agentProcess())/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    /// The agent's own number, which its lock has.
    private func agentProcess() throws -> String {
        try String(contentsOfFile: "/run/bulkhead/\(bulkhead.instance).agent", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
