// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// What the agent tells monitoring systems, and what they and others can do to it.
    @Suite(.serialized) struct MetricsTests {
        // MARK: What is told

        /// Both formats at each kind of address say what `counters` says.
        @Test(arguments: MetricsSite.Place.allCases) func theyAreTheCounters(place: MetricsSite.Place) throws {
            let site = try MetricsSite(place)
            let network = try PacketSocket(site.site.network, "net0")
            for number in 0..<5 { try network.send(site.site.probe(to: 80, from: 40000 + UInt16(number))) }
            for _ in 0..<3 { try network.send(site.site.probe(to: 80, sender: "192.0.2.66")) }
            for _ in 0..<2 { try network.send(site.site.probe(to: 81)) }
            let isCounted = try poll(seconds: 10) { try site.bulkhead.counters().rule("bad").packets == 3 }
            #expect(isCounted)
            for format in MetricsPage.Format.allCases {
                let page = try site.freshPage(format)
                let counters = try site.bulkhead.counters()
                for port in counters.ports {
                    let labels = ["port": port.name, "direction": port.direction]
                    let expected = [
                        "accepted_packets": port.accepted.packets, "accepted_bytes": port.accepted.bytes,
                        "dropped_packets": port.dropped.packets, "dropped_bytes": port.dropped.bytes,
                    ]
                    for (name, value) in expected {
                        #expect(page.value("bulkhead_port_\(name)_total", labels) == Double(value), "\(name) \(labels)")
                    }
                    for (reason, value) in port.reasons {
                        let labels = labels.merging(["reason": reason]) { $1 }
                        #expect(page.value("bulkhead_port_drop_reason_packets_total", labels) == Double(value))
                    }
                }
                for rule in counters.rules {
                    #expect(page.value("bulkhead_rule_packets_total", ["rule": rule.name]) == Double(rule.packets))
                    #expect(page.value("bulkhead_rule_bytes_total", ["rule": rule.name]) == Double(rule.bytes))
                }
                let drops = page.samples("bulkhead_drop_reason_packets_total").reduce(0) { $0 + $1.value }
                #expect(drops == Double(counters.dropped))
                let events = page.samples("bulkhead_events_total").filter { $0.labels["verdict"] == "drop" }
                #expect(events.reduce(0) { $0 + $1.value } == Double(counters.dropped))
                #expect(page.value("bulkhead_flows_opened_total") == Double(counters.flows.opened))
                #expect(page.value("bulkhead_flows") == Double(counters.flows.used))
                #expect(page.value("bulkhead_generation") == Double(counters.generation))
                #expect(page.value("bulkhead_ports", ["state": "enforcing"]) == 1)
                #expect(page.value("bulkhead_policy_in_force") == 1)
                #expect(page.value("bulkhead_metrics_failed") == 0)
                #expect(page.samples("bulkhead_metrics_series_omitted").allSatisfy { $0.value == 0 })
            }
            #expect(try site.bulkhead.counters().rule("bad").packets == 3)
        }

        /// A reader gets the format that it asks for.
        @Test func theFormatIsTheReaders() throws {
            let site = try MetricsSite()
            let open = try site.get("/metrics", "-H", MetricsSite.acceptOpenMetrics)
            #expect(open.type == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(open.text.hasSuffix("\n# EOF\n"))
            let plain = try site.get("/metrics")
            #expect(plain.type == "text/plain; version=0.0.4; charset=utf-8")
            #expect(!plain.text.contains("# EOF"))
            #expect(try site.get("/metrics", "-I").text.contains("Content-Length: "))
            #expect(try site.get("/other").status == 404)
            #expect(try site.get("/metrics", "-X", "POST").status == 405)
            #expect(try site.get("/metrics?a=b").status == 200)
        }

        /// What people wrote for people, addresses and what guests choose are in no label.
        @Test func labelsAreThePolicysNames() throws {
            let site = try MetricsSite(
                .unix, MetricsSite.rules, port: "addresses: [192.0.2.2], mac: 52:54:00:12:34:56, guard: off")
            let answer = try site.get("/metrics")
            for secret in ["secret-comment", "ops", "192.0.2", "52:54", "policy.yaml", "up0"] {
                #expect(!answer.text.contains(secret), "\(secret)")
            }
            let page = try MetricsPage(answer.text, .plain)
            let names = Set(page.families.flatMap(\.samples).flatMap(\.labels.keys))
            #expect(
                names == [
                    "port", "direction", "reason", "rule", "state", "verdict", "outcome", "kind", "result",
                    "family", "version",
                ])
        }

        /// Counters go on over a new policy; what it does not name is gone.
        @Test func countersGoOnOverAnApply() throws {
            let site = try MetricsSite()
            let network = try PacketSocket(site.site.network, "net0")
            for _ in 0..<3 { try network.send(site.site.probe(to: 80, sender: "192.0.2.66")) }
            let isCounted = try poll(seconds: 10) { try site.bulkhead.counters().rule("bad").packets == 3 }
            #expect(isCounted)
            try site.bulkhead.apply(
                try site.site.policy("  - { name: bad, from: 192.0.2.66, action: drop, direction: in }"))
            let page = try site.freshPage()
            #expect(page.value("bulkhead_rule_packets_total", ["rule": "bad"]) == 3)
            #expect(page.value("bulkhead_rule_packets_total", ["rule": "web"]) == nil)
            let labels = ["port": "uplink", "direction": "in", "reason": "rule"]
            #expect(page.value("bulkhead_port_drop_reason_packets_total", labels) == 3)
            #expect(page.value("bulkhead_generation") == 2)
        }

        @Test func healthAndReadiness() throws {
            let site = try MetricsSite()
            #expect(try site.get("/healthz").status == 200)
            #expect(try site.get("/readyz").status == 200)
            try #require(try site.bulkhead.run("detach", "uplink").status == 0)
            let isTold = try poll(seconds: 20) { try site.get("/readyz").status == 503 }
            #expect(isTold)
            #expect(try site.get("/readyz").text == "port 'uplink' is detached\n")
            #expect(try site.get("/healthz").status == 200)
            let page = try site.freshPage()
            #expect(page.value("bulkhead_ready") == 0)
            #expect(page.value("bulkhead_ports", ["state": "detached"]) == 1)
            #expect(page.value("bulkhead_port_shortcomings", ["port": "uplink"]) == 1)
            try #require(try site.bulkhead.run("detach", "--all").status == 0)
            let isGone = try poll(seconds: 20) { try site.get("/readyz").text == "no policy is in force\n" }
            #expect(isGone, "\(site.agent.errors)")
            #expect(try site.freshPage().value("bulkhead_policy_in_force") == 0)
        }

        /// What the agent did, and what an operator does meanwhile.
        @Test func whatTheAgentDidIsTold() throws {
            let site = try MetricsSite()
            let before = try site.page()
            #expect(before.value("bulkhead_agent_reloads_total", ["result": "failed"]) == 0)
            let policy = try site.site.lab.file("policy.yaml", "version: 1\nports: nonsense\n")
            site.agent.signal(SIGHUP)
            let isRefused = poll(seconds: 20) { site.agent.errors.contains("was not put in force") }
            #expect(isRefused, "\(site.agent.errors)")
            let after = try site.freshPage()
            #expect(after.value("bulkhead_agent_reloads_total", ["result": "failed"]) == 1)
            let at = try #require(after.value("bulkhead_agent_reload_failed_timestamp_seconds"))
            #expect(abs(at - Date().timeIntervalSince1970) < 60)
            #expect(after.value("bulkhead_generation") == before.value("bulkhead_generation"))
            #expect(try site.site.policy(MetricsSite.rules) == policy)
            try #require(try site.bulkhead.run("quarantine", "uplink").status == 0)
            let cut = try site.freshPage()
            #expect(cut.value("bulkhead_quarantined_ports") == 1)
            let other = try site.site.policy("  - { name: web, service: udp/81, action: accept }", name: "other.yaml")
            try #require(try site.bulkhead.run("apply", "--trial", "60s", other).status == 0)
            let trial = try site.freshPage()
            #expect(trial.value("bulkhead_trial") == 1)
            let end = try #require(trial.value("bulkhead_trial_deadline_timestamp_seconds"))
            #expect(end > Date().timeIntervalSince1970 && end < Date().timeIntervalSince1970 + 61)
        }

        @Test func groupsAreTold() throws {
            let site = try MetricsSite(
                .unix,
                """
                  - { name: bad, from: banned, action: drop }
                groups:
                  banned: { dynamic: { max: 100 } }
                """)
            try #require(try site.bulkhead.run("group", "add", "banned", "192.0.2.9", "2001:db8::/48").status == 0)
            let page = try site.freshPage()
            #expect(page.value("bulkhead_group_members", ["group": "banned"]) == 2)
            #expect(page.value("bulkhead_group_members_max", ["group": "banned"]) == 100)
        }

        /// Nothing asks for a metric that there is not, and each is described.
        @Test func alertsDashboardAndDocumentsNameWhatIsThere() throws {
            let site = try MetricsSite(
                .unix,
                """
                  - { name: bad, from: banned, action: drop }
                groups:
                  banned: { dynamic: { max: 100 } }
                """)
            let network = try PacketSocket(site.site.network, "net0")
            try network.send(site.site.probe(to: 81))
            let policy = try site.site.policy("  - { name: web, service: udp/80, action: accept }")
            try #require(try site.bulkhead.run("apply", "--trial", "60s", policy).status == 0)
            let page = try site.freshPage()
            let samples = Set(page.families.flatMap(\.samples).map(\.name))
            // What this host has nothing of.
            let others: Set = ["bulkhead_gate_in_order", "bulkhead_group_members", "bulkhead_group_members_max"]
            let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
            for file in ["bulkhead.rules.yml", "bulkhead-dashboard.json"] {
                let text = try String(
                    contentsOf: root.appending(path: "Packaging/monitoring/\(file)"), encoding: .utf8)
                let names = text.matches(of: /\b(bulkhead|process)_[a-z_]+/).map { String($0.output.0) }
                #expect(names.count > 20)
                #expect(Set(names).subtracting(samples).subtracting(others) == [], "\(file)")
            }
            let operations = try String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)
            for name in samples.union(others) where !name.hasPrefix("process_") {
                let isNamed =
                    operations.contains("`\(name)`") || operations.contains("`\(name.dropFirst("bulkhead".count))`")
                    || operations.contains("`\(name.dropFirst("bulkhead".count)){")
                #expect(isNamed, "docs/operations.md does not name \(name)")
            }
        }

        // MARK: Where

        @Test(arguments: ["0.0.0.0:9747", "[::]:9747", "192.0.2.2:9747", "localhost:9747", "unix:metrics"])
        func anyOtherAddressIsRefused(address: String) throws {
            let site = try UplinkSite()
            let result = try site.bulkhead.run("agent", "--metrics", address)
            #expect(result.status == 64)
            #expect(result.errors.contains("; write unix:/"), "\(result.errors)")
        }

        /// Any user of the host may hold a port. The agent follows without metrics, and serves them once it is free.
        @Test func aPortThatIsTakenDoesNotEndTheAgent() throws {
            let site = try UplinkSite()
            let policy = try site.policy(MetricsSite.rules)
            let holder = try Command(
                site.host.command([
                    "python3", "-c",
                    "import socket, time; s = socket.create_server(('127.0.0.1', 9447)); print('held', flush=True); "
                        + "time.sleep(600)",
                ]))
            #expect(poll(seconds: 20) { holder.output.contains("held") }, "\(holder.errors)")
            let agent = try site.bulkhead.start("agent", policy, "--metrics", "127.0.0.1:9447")
            #expect(poll(seconds: 30) { agent.errors.contains("notice: following") }, "\(agent.errors)")
            #expect(agent.errors.contains("metrics are not served"))
            #expect(try site.bulkhead.status().port("uplink").state == "enforcing")
            holder.signal(SIGKILL)
            _ = try holder.wait(seconds: 10)
            #expect(poll(seconds: 30) { agent.errors.contains("metrics are served at") }, "\(agent.errors)")
            agent.signal(SIGTERM)
            #expect(try agent.wait(seconds: 20).status == 0)
        }

        @Test func theSocketIsOfItsFolder() throws {
            let site = try MetricsSite()
            let attributes = try FileManager.default.attributesOfItem(atPath: site.path)
            #expect(attributes[.posixPermissions] as? Int == 0o660)
            #expect(attributes[.ownerAccountID] as? Int == 0)
            // A second agent is refused before it could take the socket.
            let policy = try site.site.policy(MetricsSite.rules)
            let other = Bulkhead(site.site.lab, in: site.site.host, instance: "o")
            let second = try other.run("agent", policy, "--metrics", site.address)
            #expect(second.status == 1 && second.errors.contains("somebody listens"), "\(second.errors)")
            // One that was killed leaves its socket behind.
            try site.restart(policy)
            #expect(try site.get("/healthz").status == 200)
            site.agent.signal(SIGTERM)
            _ = try site.agent.wait(seconds: 20)
            #expect(!FileManager.default.fileExists(atPath: site.path))
        }

        /// In the socket's place, and on the way to it.
        @Test func whatOthersPutThereIsNotFollowed() throws {
            let site = try UplinkSite()
            let policy = try site.policy(MetricsSite.rules)
            let folder = URL(filePath: policy).deletingLastPathComponent().path
            try Shell.check(
                "sh", "-ec",
                """
                cd \(folder)
                mkdir open real; chmod 0777 open; ln -s real link; ln -s real/none dangling; echo text > file
                """)
            for (path, words) in [
                ("open/metrics", "not root's alone"), ("link/metrics", "symbolic link"), ("dangling", "not a socket"),
                ("file", "not a socket"), ("none/metrics", "cannot open folder"),
            ] {
                let result = try site.bulkhead.run("agent", policy, "--metrics", "unix:\(folder)/\(path)")
                #expect(result.status == 1 && result.errors.contains(words), "\(path): \(result.errors)")
            }
            #expect(try String(contentsOfFile: folder + "/file", encoding: .utf8) == "text\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/real").isEmpty)
        }

        // MARK: Readers with bad intent

        @Test(arguments: [MetricsSite.Place.unix, .version4])
        func garbageIsAnsweredOrCut(place: MetricsSite.Place) throws {
            let site = try MetricsSite(place)
            let result = try site.python(
                """
                for bad in [b"\\0" * 100, b"GARBAGE\\r\\n\\r\\n", b"GET / HTTP/9.9\\r\\n\\r\\n",
                            b"\\x16\\x03\\x01\\x02\\x00\\x01",
                            b"GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: -1\\r\\n\\r\\n",
                            b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", b"GET /\\xff\\xfe HTTP/1.1\\r\\n\\r\\n",
                            b"GET / HTTP/1.1\\r\\n" + b"A: " + b"b" * 100000,
                            b"GET /" + b"a" * 100000,
                            b"POST /metrics HTTP/1.1\\r\\nContent-Length: 1000000\\r\\n\\r\\n" + b"x" * 50000,
                            get * 200, b""]:
                    s = client()
                    try:
                        s.sendall(bad)
                        s.shutdown(socket.SHUT_WR)
                    except OSError: pass
                    print(rest(s)[:12])
                """)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.lines.count == 12, "\(result.output)")
            #expect(
                result.output.contains("HTTP/1.1 400") && result.output.contains("HTTP/1.1 431"), "\(result.output)")
            let page = try site.freshPage()
            #expect(try #require(page.value("bulkhead_metrics_requests_malformed_total")) >= 4)
            #expect(site.agent.isRunning)
        }

        /// A browser on the host that shows somebody's page would ask under that page's name.
        @Test func anotherHostsNameIsRefused() throws {
            let site = try MetricsSite(.version4)
            #expect(try site.get("/metrics", "-H", "Host: evil.example:9747").status == 403)
            #expect(try site.get("/metrics", "-H", "Host: localhost:9747").status == 200)
        }

        @Test(arguments: [MetricsSite.Place.unix, .version4])
        func twoHundredAtOnceAreAllAnswered(place: MetricsSite.Place) throws {
            let site = try MetricsSite(place)
            let result = try site.python(
                """
                import threading
                good = []
                def ask():
                    s = client()
                    s.sendall(get)
                    text = rest(s)
                    if text.startswith(b"HTTP/1.1 200") and b"bulkhead_build_info" in text: good.append(1)
                threads = [threading.Thread(target=ask) for _ in range(200)]
                for t in threads: t.start()
                for t in threads: t.join()
                print(len(good))
                """)
            #expect(result.output == "200\n", "\(result.output)\(result.errors)")
        }

        /// They keep every place, and get nothing of the agent's own work.
        @Test func whoReadsSlowlyIsCutAndKeepsNobodyBusy() throws {
            let site = try MetricsSite()
            let stalled = try site.startPython(
                """
                all = []
                for number in range(64):
                    s = client()
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    s.sendall(get if number % 2 else b"GET /met")
                    all.append(s)
                print("open", flush=True)
                start = time.time()
                for s in all[::2]:
                    s.settimeout(20)
                    rest(s)
                print(time.time() - start < 15)
                """)
            usleep(1_500_000)
            // The agent's own work goes on meanwhile: somebody takes a program off, and it is put back.
            try site.bulkhead.apply(try site.site.policy(MetricsSite.rules, port: "maxFlows: 100"))
            try site.site.network.run("ip", "link", "delete", "net0")
            try site.site.lab.veth((site.site.network, "net0"), (site.site.host, "up0"))
            let isEnforced = try poll(seconds: 5) {
                try site.bulkhead.status().port("uplink").state == "enforcing"
            }
            #expect(isEnforced, "\(site.agent.errors)")
            let result = try stalled.wait(seconds: 60)
            #expect(result.lines == ["open", "True"], "\(result.output)\(result.errors)")
            let page = try site.freshPage()
            #expect(try #require(page.value("bulkhead_metrics_connections_late_total")) >= 32)
            #expect(site.agent.isRunning)
        }

        /// A reader asks as often as he likes, but the counters are not read for that.
        @Test func aFloodOfReadersCostsLittle() throws {
            let site = try MetricsSite()
            let before = try site.freshPage()
            let result = try site.python(
                """
                end = time.time() + 5
                count = 0
                while time.time() < end:
                    s = client()
                    s.sendall(get)
                    rest(s)
                    count += 1
                print(count)
                """)
            let count = try #require(Int(result.output.split(separator: "\n").first ?? ""))
            #expect((200...700).contains(count), "so many are let in: \(count)")
            let after = try site.freshPage()
            let name = "process_cpu_seconds_total"
            let used = try #require(after.value(name)) - (try #require(before.value(name)))
            #expect(used < 2.5 * Patience.factor, "\(used) s of 5")
        }
    }
}
